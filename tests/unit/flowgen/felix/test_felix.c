/* SPDX-License-Identifier: BSD-3-Clause */

#include "felix.pb-c.h"
#include "policy/objects.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>

#include <hf_test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(felix);

static int take(struct hf_felix *f, const HfFelix__ToDataplane *msg, enum hf_felix_event *ret,
	struct hf_err *err)
{
	size_t size = hf_felix__to_dataplane__get_packed_size(msg);
	uint8_t *buf = malloc(size + 1);
	int rc;

	(void)hf_felix__to_dataplane__pack(msg, buf);
	rc = hf_felix_take(f, buf, size, ret, err);
	free(buf);
	return rc;
}

static struct hf_felix *new (void)
{
	struct hf_felix *f;

	cr_assert_eq(hf_felix_new(&f, NULL), 0);
	return f;
}

static void must(struct hf_felix *f, const HfFelix__ToDataplane *msg, enum hf_felix_event want)
{
	enum hf_felix_event got;
	struct hf_err err;

	cr_assert_eq(take(f, msg, &got, &err), 0, "%s", err.text);
	cr_assert_eq(got, want);
}

#define MSG(PAYLOAD, field_, inner)                                                                \
	((HfFelix__ToDataplane){                                                                   \
		.base = PROTOBUF_C_MESSAGE_INIT(&hf_felix__to_dataplane__descriptor),              \
		.payload_case = HF_FELIX__TO_DATAPLANE__PAYLOAD_##PAYLOAD,                         \
		.field_ = (inner)})

static void set(struct hf_felix *f, char *id, HfFelix__IPSetType type, char **members, size_t n)
{
	HfFelix__IPSetUpdate u = HF_FELIX__IPSET_UPDATE__INIT;

	u.id = id;
	u.type = type;
	u.members = members;
	u.n_members = n;
	must(f, &MSG(IPSET_UPDATE, ipset_update, &u), HF_FELIX_CHANGED);
}

static void config(struct hf_felix *f, char *key, char *value)
{
	HfFelix__ConfigUpdate__ConfigEntry e = HF_FELIX__CONFIG_UPDATE__CONFIG_ENTRY__INIT,
					   *list = &e;
	HfFelix__ConfigUpdate u = HF_FELIX__CONFIG_UPDATE__INIT;

	e.key = key;
	e.value = value;
	u.config = &list;
	u.n_config = 1;
	must(f, &MSG(CONFIG_UPDATE, config_update, &u), HF_FELIX_CHANGED);
}

static void policy(struct hf_felix *f, char *tier, char *name, HfFelix__Rule *rule)
{
	HfFelix__ActivePolicyUpdate u = HF_FELIX__ACTIVE_POLICY_UPDATE__INIT;
	HfFelix__PolicyID id = HF_FELIX__POLICY_ID__INIT;
	HfFelix__Policy p = HF_FELIX__POLICY__INIT;

	id.tier = tier;
	id.name = name;
	u.id = &id;
	u.policy = &p;
	p.inbound_rules = &rule;
	p.n_inbound_rules = rule ? 1 : 0;
	must(f, &MSG(ACTIVE_POLICY_UPDATE, active_policy_update, &u), HF_FELIX_CHANGED);
}

/* A host endpoint with one normal tier "default" that lists one policy by name. */
static void endpoint(struct hf_felix *f, char *listed)
{
	HfFelix__HostEndpointUpdate u = HF_FELIX__HOST_ENDPOINT_UPDATE__INIT;
	HfFelix__HostEndpointID id = HF_FELIX__HOST_ENDPOINT_ID__INIT;
	HfFelix__HostEndpoint e = HF_FELIX__HOST_ENDPOINT__INIT;
	HfFelix__TierInfo t = HF_FELIX__TIER_INFO__INIT, *tiers = &t;
	ProtobufCBinaryData name = {strlen(listed), (uint8_t *)listed};

	id.endpoint_id = "h";
	t.name = "default";
	t.ingress_policies = &name;
	t.n_ingress_policies = 1;
	e.name = "eth0";
	e.tiers = &tiers;
	e.n_tiers = 1;
	u.id = &id;
	u.endpoint = &e;
	must(f, &MSG(HOST_ENDPOINT_UPDATE, host_endpoint_update, &u), HF_FELIX_CHANGED);
}

static int read_all(const struct hf_felix *f, struct hf_policy **ret, struct hf_err *err)
{
	struct hf_policy *p;
	int rc;

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	rc = hf_felix_read(f, "n0", p, err);
	if (rc < 0)
		hf_policy_free(p);
	else
		*ret = p;
	return rc;
}

/* The text of the error that reading, or building the model, ends in; "" if none does. */
static const char *fate(struct hf_felix *take_f)
{
	static struct hf_err err;
	struct hf_policy *p;
	struct hf_model *m;

	err.text[0] = '\0';
	if (read_all(take_f, &p, &err) == 0) {
		if (hf_model_build(p, &(struct hf_model_opts){.node = "n0"}, &m, &err) == 0)
			hf_model_free(m);
		hf_policy_free(p);
	}
	hf_felix_free(take_f);
	return err.text;
}

Test(felix, what_is_no_message_is_an_error_and_changes_nothing)
{
	static const uint8_t junk[] = {0x0a, 0xff, 0xff, 0x01};
	struct hf_felix *f = new ();
	enum hf_felix_event event = HF_FELIX_CHANGED;
	struct hf_err err = {0};

	cr_expect_eq(hf_felix_take(f, junk, sizeof(junk), &event, &err), -EINVAL);
	cr_expect_str_eq(err.text, "felix: 4 bytes that are no message");
	cr_expect_eq(hf_felix_take(f, junk, HF_FELIX_MESSAGE_MAX + 1ul, &event, &err), -E2BIG);
	cr_expect_eq(event, HF_FELIX_CHANGED);
	cr_expect_eq(hf_felix_take(f, junk, 0, &event, &err), 0); /* nothing is a message too */
	cr_expect_eq(event, HF_FELIX_NOTHING);
	cr_expect_not(hf_felix_in_sync(f));
	cr_expect_str_eq(fate(f), "");
}

Test(felix, unknown_messages_are_skipped)
{
	static const uint8_t route[] = {0xba, 0x01, 0x02, 0x18, 0x01}; /* field 23 */
	struct hf_felix *f = new ();
	enum hf_felix_event event;

	cr_expect_eq(hf_felix_take(f, route, sizeof(route), &event, NULL), 0);
	cr_expect_eq(event, HF_FELIX_NOTHING);
	hf_felix_free(f);
}

Test(felix, a_bad_member_leaves_the_set_as_it_was)
{
	static char *good[] = {"192.0.2.0/24", "2001:db8::1"}, *bad[] = {"192.0.2.1", "nonsense"};
	HfFelix__IPSetDeltaUpdate d = HF_FELIX__IPSET_DELTA_UPDATE__INIT;
	struct hf_felix *f = new ();
	enum hf_felix_event event;
	const struct hf_objects *o;
	struct hf_policy *p;
	struct hf_err err;

	set(f, "a", HF_FELIX__IPSET_TYPE__NET, good, 2);
	d.id = "a";
	d.removed_members = good;
	d.n_removed_members = 1;
	d.added_members = bad;
	d.n_added_members = 2;
	cr_assert_eq(
		take(f, &MSG(IPSET_DELTA_UPDATE, ipset_delta_update, &d), &event, &err), -EINVAL);
	cr_expect_str_eq(err.text, "felix: set a: 'nonsense' is no member of such a set");
	cr_assert_eq(read_all(f, &p, &err), 0);
	o = hf_policy_objects(p);
	cr_assert_eq(o->ipset.n, 1);
	cr_expect_eq(o->ipset.v[0].nets.n, 2);
	hf_policy_free(p);
	hf_felix_free(f);
}

Test(felix, many_changes_of_a_set_are_one_merge)
{
	HfFelix__IPSetDeltaUpdate d = HF_FELIX__IPSET_DELTA_UPDATE__INIT;
	char *members[200], text[200][20];
	struct hf_felix *f = new ();
	struct hf_policy *p;
	struct hf_err err;
	size_t i;

	for (i = 0; i < 200; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "10.0.%zu.1,tcp:%zu", i % 100, i);
		members[i] = text[i];
	}
	set(f, "a", HF_FELIX__IPSET_TYPE__IP_AND_PORT, members, 150);
	d.id = "a";
	d.removed_members = members;
	d.n_removed_members = 100;
	d.added_members = members + 50;
	d.n_added_members = 150;
	must(f, &MSG(IPSET_DELTA_UPDATE, ipset_delta_update, &d), HF_FELIX_CHANGED);
	cr_assert_eq(read_all(f, &p, &err), 0);
	cr_expect_eq(hf_policy_objects(p)->ipset.v[0].n_members, 150); /* 50 .. 199 */
	hf_policy_free(p);
	hf_felix_free(f);
}

Test(felix, removes_take_away_and_strangers_are_ignored)
{
	HfFelix__ActivePolicyRemove r = HF_FELIX__ACTIVE_POLICY_REMOVE__INIT;
	HfFelix__PolicyID id = HF_FELIX__POLICY_ID__INIT;
	HfFelix__IPSetRemove s = HF_FELIX__IPSET_REMOVE__INIT;
	struct hf_felix *f = new ();

	id.tier = "default";
	id.name = "default.web";
	r.id = &id;
	s.id = "a";
	must(f, &MSG(ACTIVE_POLICY_REMOVE, active_policy_remove, &r), HF_FELIX_NOTHING);
	must(f, &MSG(IPSET_REMOVE, ipset_remove, &s), HF_FELIX_NOTHING);
	policy(f, "default", "default.web", NULL);
	set(f, "a", HF_FELIX__IPSET_TYPE__NET, NULL, 0);
	must(f, &MSG(ACTIVE_POLICY_REMOVE, active_policy_remove, &r), HF_FELIX_CHANGED);
	must(f, &MSG(IPSET_REMOVE, ipset_remove, &s), HF_FELIX_CHANGED);
	hf_felix_free(f);
}

Test(felix, names_of_old_and_new_releases_are_one_origin)
{
	static const struct {
		char *name;
		const char *ns, *want;
		bool staged;
	} cases[] = {
		{"default.web", NULL, "web", false},
		{"web", NULL, "web", false},
		{"default.default.web", NULL, "default.web", false},
		{"staged:default.web", NULL, "web", true},
		{"ns/default.web", "ns", "web", false},
		{"ns/staged:default.web", "ns", "web", true},
		{"ns/knp.default.web", "ns", "knp.default.web", false},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hf_felix *f = new ();
		const struct hf_policy_obj *obj;
		struct hf_policy *p;
		struct hf_err err;

		policy(f, "default", cases[i].name, NULL);
		cr_assert_eq(read_all(f, &p, &err), 0, "%s", err.text);
		obj = &hf_policy_objects(p)->policy.v[0];
		cr_expect_str_eq(obj->meta.name, cases[i].want);
		cr_expect_eq(obj->staged, cases[i].staged, "%s", cases[i].name);
		cr_expect(!obj->meta.ns == !cases[i].ns, "%s", cases[i].name);
		if (cases[i].ns)
			cr_expect_str_eq(obj->meta.ns, cases[i].ns);
		hf_policy_free(p);
		hf_felix_free(f);
	}
}

/* Before 3.29 a tier had no default action; protobuf leaves out a rule's action if it is empty. */
Test(felix, older_forms_have_their_defaults)
{
	HfFelix__Rule r = HF_FELIX__RULE__INIT;
	struct hf_felix *f = new ();
	struct hf_policy *p;
	struct hf_model *m;
	struct hf_err err;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	policy(f, "default", "default.web", &r);
	endpoint(f, "default.web");
	cr_assert_eq(read_all(f, &p, &err), 0, "%s", err.text);
	cr_assert_eq(hf_model_build(p, &(struct hf_model_opts){.node = "n0"}, &m, &err), 0);
	hf_model_print(m, NULL, 0, out);
	cr_assert_eq(fclose(out), 0);
	cr_expect_not_null(strstr(text, "normal tier default default=deny\n"), "%s", text);
	cr_expect_not_null(strstr(text, "default/gnp:web/ingress\n    0 allow\n"), "%s", text);
	free(text);
	hf_model_free(m);
	hf_policy_free(p);
	hf_felix_free(f);
}

Test(felix, what_cannot_be_right_is_named)
{
	HfFelix__Rule r = HF_FELIX__RULE__INIT;
	HfFelix__PortRange port = HF_FELIX__PORT_RANGE__INIT, *ports = &port;
	static char *nobody[] = {"s:none"}, *nets[] = {"10.0.0.0/33"};
	struct hf_felix *f = new ();

	r.action = "forgive";
	policy(f, "default", "default.web", &r);
	cr_expect_str_eq(fate(f), "felix: policy web: ingress rule 0: unknown action 'forgive'");
	r.action = "allow";
	port.first = 80;
	port.last = 79;
	r.dst_ports = &ports;
	r.n_dst_ports = 1;
	policy(f = new (), "default", "default.web", &r);
	cr_expect_str_eq(fate(f), "felix: policy web: ingress rule 0: ports 80 to 79");
	r.n_dst_ports = 0;
	r.src_net = nets;
	r.n_src_net = 1;
	policy(f = new (), "default", "default.web", &r);
	cr_expect_str_eq(fate(f), "felix: policy web: ingress rule 0: '10.0.0.0/33' is no net");
	r.n_src_net = 0;
	r.src_ip_set_ids = nobody;
	r.n_src_ip_set_ids = 1;
	policy(f = new (), "default", "default.web", &r);
	endpoint(f, "default.web");
	cr_expect_str_eq(fate(f), "default/gnp:web/ingress/0: set 's:none' is not known");
	endpoint(f = new (), "default.web");
	cr_expect(strstr(fate(f), "a policy is listed that is not known"));
	config(f = new (), "Ipv6Support", "perhaps");
	cr_expect_str_eq(fate(f), "felix: configuration: Ipv6Support: 'perhaps' cannot be read");
}

Test(felix, failsafes_have_four_forms)
{
	const struct hf_felix_obj *obj;
	struct hf_felix *f = new ();
	struct hf_policy *p;
	struct hf_err err;

	config(f, "FailsafeInboundHostPorts",
		"22, udp:53,tcp:10.0.0.0/8:80,tcp:[2001:db8::/32]:443");
	cr_assert_eq(read_all(f, &p, &err), 0, "%s", err.text);
	obj = &hf_policy_objects(p)->felix.v[0];
	cr_assert(obj->fs_in.given && obj->fs_in.n == 4);
	cr_expect(obj->fs_in.v[0].proto == HF_PROTO_TCP && obj->fs_in.v[0].port == 22);
	cr_expect(obj->fs_in.v[1].proto == HF_PROTO_UDP && obj->fs_in.v[1].port == 53);
	cr_expect(obj->fs_in.v[2].net.len == 8 && obj->fs_in.v[2].port == 80);
	cr_expect(obj->fs_in.v[3].net.addr.family == 6 && obj->fs_in.v[3].port == 443);
	hf_policy_free(p);
	config(f, "FailsafeInboundHostPorts", "none");
	cr_assert_eq(read_all(f, &p, &err), 0, "%s", err.text);
	obj = &hf_policy_objects(p)->felix.v[0];
	cr_expect(obj->fs_in.given && obj->fs_in.n == 0 && !obj->fs_out.given);
	hf_policy_free(p);
	hf_felix_free(f);
}

Test(felix, status_frames_read_back)
{
	HfFelix__FromDataplane *m;
	uint8_t *buf;
	size_t size;

	cr_assert_eq(hf_felix_print_status("h", HF_FELIX_STATUS_UP, &buf, &size), 0);
	cr_expect(buf[0] == size - HF_FELIX_HEAD_SIZE && buf[1] == 0);
	m = hf_felix__from_dataplane__unpack(
		NULL, size - HF_FELIX_HEAD_SIZE, buf + HF_FELIX_HEAD_SIZE);
	cr_assert(m);
	cr_expect_str_eq(m->host_endpoint_status_update->id->endpoint_id, "h");
	cr_expect_str_eq(m->host_endpoint_status_update->status->status, "up");
	hf_felix__from_dataplane__free_unpacked(m, NULL);
	free(buf);
	cr_assert_eq(hf_felix_print_status("h", HF_FELIX_STATUS_REMOVE, &buf, &size), 0);
	m = hf_felix__from_dataplane__unpack(
		NULL, size - HF_FELIX_HEAD_SIZE, buf + HF_FELIX_HEAD_SIZE);
	cr_assert(m &&
		  m->payload_case == HF_FELIX__FROM_DATAPLANE__PAYLOAD_HOST_ENDPOINT_STATUS_REMOVE);
	hf_felix__from_dataplane__free_unpacked(m, NULL);
	free(buf);
	cr_assert_eq(hf_felix_print_alive(12.5, &buf, &size), 0);
	m = hf_felix__from_dataplane__unpack(
		NULL, size - HF_FELIX_HEAD_SIZE, buf + HF_FELIX_HEAD_SIZE);
	cr_assert(m);
	cr_expect_float_eq(m->process_status_update->uptime, 12.5, 1e-9);
	cr_expect_eq(strlen(m->process_status_update->iso_timestamp), 20);
	hf_felix__from_dataplane__free_unpacked(m, NULL);
	free(buf);
}
