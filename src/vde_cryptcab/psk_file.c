/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "psk_file.h"

#include "noise.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRYPT_N = 32768, SCRYPT_R = 8, SCRYPT_P = 1, SCRYPT_MEMORY = 64 << 20 };

bool psk_from_content(const uint8_t *content, size_t length, uint8_t secret[SECRET_SIZE])
{
	static const char label[] = PROTOCOL_LABEL_SECRET;

	return EVP_PBE_scrypt((const char *)content, length, (const unsigned char *)label, sizeof(label), SCRYPT_N, SCRYPT_R, SCRYPT_P,
			      SCRYPT_MEMORY, secret, SECRET_SIZE) == 1;
}

bool psk_key_id(const uint8_t secret[SECRET_SIZE], uint8_t key_id[KEY_ID_SIZE])
{
	uint8_t hash[NOISE_HASH_SIZE];

	if (!noise_labelled_hash(PROTOCOL_LABEL_KEY_ID, secret, SECRET_SIZE, hash))
		return false;
	memcpy(key_id, hash, KEY_ID_SIZE);
	return true;
}

/* As ssh judges a private key: nobody else's, and open to nobody else. A file of root's may be readable for a group. */
static int check_access(int fd, const char *path, struct log *log)
{
	struct stat status;
	mode_t forbidden;

	if (fstat(fd, &status) != 0) {
		log_errno(log, errno, "key file '%s'", path);
		return EACCES;
	}
	if (!S_ISREG(status.st_mode)) {
		log_error(log, "key file '%s' is not a regular file", path);
		return EINVAL;
	}
	if (status.st_uid != geteuid() && status.st_uid != 0) {
		log_error(log, "key file '%s' belongs to user %u: it must be yours or root's", path, (unsigned)status.st_uid);
		return EPERM;
	}
	forbidden = status.st_uid == geteuid() ? 077 : 027;
	if (status.st_mode & forbidden) {
		log_error(log, "key file '%s' has mode 0%03o and is open to others: chmod 600 it", path,
			  (unsigned)(status.st_mode & 0777));
		return EPERM;
	}
	return 0;
}

/* Returns the length, or -1 with errno. One byte more than allowed shows a file that is too long. */
static ssize_t read_all(int fd, uint8_t *content, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, content + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static int read_secret(int fd, const char *path, struct log *log, uint8_t secret[SECRET_SIZE])
{
	uint8_t *content = malloc(PSK_FILE_MAX + 1);
	ssize_t length = content ? read_all(fd, content, PSK_FILE_MAX + 1) : -1;
	int error = 0;

	if (length < 0) {
		error = content ? errno : ENOMEM;
		log_errno(log, error, "key file '%s'", path);
	} else if (length < PSK_FILE_MIN || length > PSK_FILE_MAX) {
		error = EINVAL;
		log_error(log, "key file '%s' must have %d to %d bytes", path, PSK_FILE_MIN, PSK_FILE_MAX);
	} else if (!psk_from_content(content, (size_t)length, secret)) {
		error = ENOMEM;
		log_error(log, "key file '%s': the secret cannot be computed", path);
	}
	if (content)
		OPENSSL_cleanse(content, PSK_FILE_MAX + 1);
	free(content);
	return error;
}

int psk_file_read(const char *path, struct log *log, uint8_t secret[SECRET_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;

	if (fd < 0) {
		error = errno;
		log_errno(log, error, "key file '%s'", path);
		return error;
	}
	error = check_access(fd, path, log);
	if (!error)
		error = read_secret(fd, path, log, secret);
	close(fd);
	return error;
}
