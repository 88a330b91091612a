/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keypair.h"

#include "bytes.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

bool keypair_make(struct keypair *pair, const struct noise *noise, enum protocol_mode mode, const uint8_t seal_key[NOISE_KEY_SIZE],
		  const uint8_t open_key[NOISE_KEY_SIZE], uint32_t local_index, uint32_t remote_index, uint64_t now_ns)
{
	keypair_wipe(pair);
	pair->mode = mode;
	pair->local_index = local_index;
	pair->remote_index = remote_index;
	pair->created_ns = now_ns;
	pair->valid = true;
	if (mode == MODE_CLEAR)
		return true;
	pair->seal = noise_cipher_create(noise, seal_key, true);
	pair->open = noise_cipher_create(noise, open_key, false);
	if (!pair->seal || !pair->open)
		keypair_wipe(pair);
	return pair->valid;
}

void keypair_wipe(struct keypair *pair)
{
	noise_cipher_destroy(pair->seal);
	noise_cipher_destroy(pair->open);
	OPENSSL_cleanse(pair, sizeof(*pair));
}

void keypair_move(struct keypair *to, struct keypair *from)
{
	keypair_wipe(to);
	*to = *from;
	OPENSSL_cleanse(from, sizeof(*from));
}

bool keypair_can_send(const struct keypair *pair, uint64_t now_ns)
{
	return pair->valid && now_ns - pair->created_ns < REJECT_AFTER_TIME && pair->next_counter < REJECT_AFTER_MESSAGES;
}

size_t keypair_datagram_size(const struct keypair *pair, size_t length)
{
	return DATA_HEADER_SIZE + length + (pair->mode == MODE_CLEAR ? 0 : TAG_SIZE);
}

size_t keypair_seal(struct keypair *pair, const uint8_t *payload, size_t length, uint8_t *datagram)
{
	uint64_t counter = pair->next_counter++;        /* spent even when sealing fails: no nonce serves twice */

	assert(counter < REJECT_AFTER_MESSAGES);
	memset(datagram, 0, HEADER_TYPE_SIZE);
	datagram[0] = pair->mode == MODE_CLEAR ? TYPE_CLEAR : TYPE_DATA;
	write_le32(datagram + DATA_RECEIVER, pair->remote_index);
	write_le64(datagram + DATA_COUNTER, counter);
	if (pair->mode == MODE_CLEAR)
		memcpy(datagram + DATA_PAYLOAD, payload, length);
	else if (!noise_seal(pair->seal, counter, payload, length, datagram + DATA_PAYLOAD))
		return 0;
	return keypair_datagram_size(pair, length);
}

enum verdict keypair_open(struct keypair *pair, uint8_t *datagram, size_t length, uint64_t now_ns, uint8_t **payload,
			  size_t *payload_length, bool *newest)
{
	enum protocol_type expected = pair->mode == MODE_CLEAR ? TYPE_CLEAR : TYPE_DATA;
	size_t overhead = keypair_datagram_size(pair, 0);
	uint64_t counter;

	if (datagram[0] != expected || length < overhead)
		return VERDICT_MALFORMED;
	if (now_ns - pair->created_ns >= REJECT_AFTER_TIME)
		return VERDICT_EXPIRED;
	counter = read_le64(datagram + DATA_COUNTER);
	if (!replay_is_fresh(&pair->window, counter))
		return VERDICT_REPLAYED;
	*payload = datagram + DATA_PAYLOAD;
	*payload_length = length - overhead;
	if (pair->mode == MODE_SEALED && !noise_open(pair->open, counter, *payload, length - DATA_PAYLOAD, *payload))
		return VERDICT_FORGED;
	*newest = counter >= pair->window.highest;
	return replay_accept(&pair->window, counter) ? VERDICT_ACCEPTED : VERDICT_REPLAYED;
}
