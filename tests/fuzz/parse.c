/* SPDX-License-Identifier: Apache-2.0 */

/* Arbitrary frames at every door: the packet path's own headers, compiled for the host over a
 * small rule set, under ASan and UBSan.
 *
 * An input is a run of frames, so that a flow can be opened and answered, and a datagram come
 * in pieces:
 *
 *   OFFSET SIZE DESCRIPTION
 *        0    1 device in the low 3 bits, door in bit 3, seconds to let pass in the rest
 *        1    1 bytes of the frame, or with 0 all that are left
 *        2    n the frame
 *
 * Beyond staying inside the frame, an answer must be whole: a drop has a reason of the ledger
 * and nothing else has one, a packet is switched only to a device that exists, and what
 * explain says of a packet is what then happens to it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/eval.h"
#include "config/read.h"

#define FLOW_SETS 64 /* few, so that sets fill up and entries give way */

static const char rules[] =
	"{ \"headgate\": 1,"
	"  \"vpcs\": { \"v\": { \"cidrs\": [\"10.0.0.0/16\", \"fd00:10::/56\"] } },"
	"  \"subnets\": {"
	"    \"a\": { \"vpc\": \"v\", \"cidrs\": [\"10.0.1.0/24\", \"fd00:10:0:1::/64\"] "
	"},"
	"    \"b\": { \"vpc\": \"v\", \"cidrs\": [\"10.0.2.0/24\", \"fd00:10:0:2::/64\"],"
	"             \"network_acl\": \"n\" } },"
	"  \"network_acls\": { \"n\": { \"vpc\": \"v\","
	"    \"ingress\": ["
	"      { \"rule\": 10, \"action\": \"deny\", \"protocol\": \"tcp\", \"ports\": "
	"\"23\","
	"        \"cidr\": \"0.0.0.0/0\" },"
	"      { \"rule\": 20, \"action\": \"allow\", \"protocol\": \"udp\","
	"        \"source_ports\": \"53\", \"cidr\": \"10.0.0.0/8\" },"
	"      { \"rule\": 30, \"action\": \"allow\", \"protocol\": \"all\", \"cidr\": "
	"\"::/0\" },"
	"      { \"rule\": 40, \"action\": \"allow\", \"protocol\": \"tcp\","
	"        \"cidr\": \"0.0.0.0/0\" },"
	"      { \"rule\": 50, \"action\": \"allow\", \"protocol\": \"icmp\", \"icmp\": "
	"\"8\","
	"        \"cidr\": \"0.0.0.0/0\" } ],"
	"    \"egress\": ["
	"      { \"rule\": 10, \"action\": \"allow\", \"protocol\": \"all\","
	"        \"cidr\": \"0.0.0.0/0\" },"
	"      { \"rule\": 11, \"action\": \"allow\", \"protocol\": \"all\", \"cidr\": "
	"\"::/0\" } ] } },"
	"  \"security_groups\": {"
	"    \"open\": { \"vpc\": \"v\","
	"      \"ingress\": [ { \"protocol\": \"all\", \"peers\": [\"0.0.0.0/0\", "
	"\"::/0\"] } ],"
	"      \"egress\": [ { \"protocol\": \"all\", \"peers\": [\"0.0.0.0/0\", "
	"\"::/0\"] } ] },"
	"    \"web\": { \"vpc\": \"v\","
	"      \"ingress\": ["
	"        { \"protocol\": \"tcp\", \"ports\": \"80\", \"peers\": "
	"[\"10.0.0.0/16\", \"::/0\"] },"
	"        { \"protocol\": \"udp\", \"peers\": [\"security_group/open\"] },"
	"        { \"protocol\": \"icmp\", \"icmp\": \"8\", \"peers\": [\"0.0.0.0/0\"] } "
	"],"
	"      \"egress\": [ { \"protocol\": \"47\", \"peers\": [\"10.0.0.0/16\"] } ] } "
	"},"
	"  \"interfaces\": {"
	"    \"p\": { \"subnet\": \"a\", \"addresses\": [\"10.0.1.10\", "
	"\"fd00:10:0:1::10\"],"
	"             \"device\": \"veth-p\", \"security_groups\": [\"open\"] },"
	"    \"q\": { \"subnet\": \"b\", \"addresses\": [\"10.0.2.10\", "
	"\"fd00:10:0:2::10\"],"
	"             \"device\": \"veth-q\", \"security_groups\": [\"web\"] },"
	"    \"r\": { \"subnet\": \"b\", \"addresses\": [\"10.0.2.20\"], \"device\": "
	"\"veth-r\","
	"             \"source_dest_check\": false, \"security_groups\": [\"web\", "
	"\"open\"] },"
	"    \"s\": { \"attach\": \"local\", \"device\": \"eth0\","
	"             \"addresses\": [\"192.0.2.1\", \"2001:db8::1\"] } } }";

static struct image *image;
static uint32_t n_devices;

/* What netlink would have told about the devices. */
static void bring_up(void)
{
	struct hg_table devices = image_header(image)->devices;

	n_devices = devices.n;
	for (uint32_t id = 1; id < n_devices; id++) {
		struct hg_device *d =
			(struct hg_device *)(image->lines + devices.line + id);

		d->ifindex = id;
		d->mtu = 1500;
		memcpy(d->mac, (uint8_t[]){ 2, 0, 0, 0, 1, (uint8_t)id }, 6);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct diag *diag = diag_new();
	struct model *model = NULL;
	struct facts facts = { 0 };
	int r;

	(void)argc;
	(void)argv;
	r = config_read_text("rules", rules, sizeof(rules) - 1, NULL, diag, &model);
	assert(r == 0);
	r = image_compile(model, &facts, diag, &image);
	assert(r == 0);
	model_free(model);
	diag_free(diag);
	bring_up();
	return 0;
}

static void judge(struct eval *eval, uint32_t device, uint32_t door, const uint8_t *bytes,
		  size_t size, uint32_t now)
{
	/* A block of exactly this size: one byte beyond it is somebody else's. */
	uint8_t *frame = malloc(size ? size : 1);
	struct hg_trace trace = { 0 };
	struct verdict v;

	assert(frame);
	memcpy(frame, bytes, size);
	eval_explain(eval, device, door, frame, size, now, &trace);
	assert(memcmp(frame, bytes, size) == 0);
	assert(trace.n <= HG_TRACE_STEPS);

	v = eval_packet(eval, device, door, frame, size, now);
	assert(v.allow == (v.reason == HG_DROP_NONE));
	assert(v.reason < HG_DROP_END);
	assert(v.out < n_devices);
	assert(trace.reason == v.reason);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* One for all: its tables are large. */
	static struct eval *eval;
	uint32_t now = 1000;

	if (!eval)
		eval = eval_new(image, FLOW_SETS);
	assert(eval);
	eval_reset(eval);
	eval_switch(eval, image);
	while (size > 2) {
		uint32_t device = 1 + (data[0] & 7) % (n_devices - 1);
		uint32_t door = data[0] >> 3 & 1;
		size_t n = data[1];

		now += data[0] >> 4;
		data += 2;
		size -= 2;
		if (n == 0 || n > size)
			n = size;
		judge(eval, device, door, data, n, now);
		data += n;
		size -= n;
	}
	return 0;
}
