/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/image.h"

#include "common/offload.h"

enum { ADDRESSES = 2 * ETHERNET_ADDRESS_SIZE };

static void set_pieces(struct frame_image *image, uint8_t *first, size_t first_size, uint8_t *second, size_t second_size)
{
	image->piece[0] = (struct iovec){ first, first_size };
	image->piece[1] = (struct iovec){ second, second_size };
	image->pieces = second_size ? 2 : 1;
	image->length = (uint32_t)(first_size + second_size);
}

void image_plain(struct frame_image *image, const struct frame *frame)
{
	set_pieces(image, frame->data, frame->length, NULL, 0);
	image->offload = frame->offload;
}

void image_push_tag(struct frame_image *image, const struct frame *frame, uint16_t vid)
{
	memcpy(image->header, frame->data, ADDRESSES);
	write_be16(image->header + ADDRESSES, ETHERTYPE_VLAN);
	write_be16(image->header + ADDRESSES + 2, vid);
	set_pieces(image, image->header, sizeof(image->header), frame->data + ADDRESSES, frame->length - ADDRESSES);
	image->offload = frame->offload;
	offload_shift(&image->offload, ETHERNET_TAG_SIZE);
}

void image_pop_tag(struct frame_image *image, const struct frame *frame)
{
	uint32_t length = frame->length;

	if (length < ETHERNET_MIN_SIZE + ETHERNET_TAG_SIZE)
		length = ETHERNET_MIN_SIZE + ETHERNET_TAG_SIZE;
	set_pieces(image, frame->data, ADDRESSES, frame->data + ADDRESSES + ETHERNET_TAG_SIZE,
		   length - ADDRESSES - ETHERNET_TAG_SIZE);
	image->offload = frame->offload;
	offload_shift(&image->offload, -ETHERNET_TAG_SIZE);
}
