/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/net.h>
#include <hepflow/witness.h>

#include <jansson.h>

#define LINE_SIZE 1024 /* a packet line with every key fits */

void hf_witnesses_print(const struct hf_witnesses *w, FILE *out)
{
	char line[LINE_SIZE];
	size_t i;

	fprintf(out, "verdicts: %s%s\n",
		w->n ? "these packets meet another one" : "no packet found that meets another one",
		w->cut ? ", as far as there was time to look" : "");
	for (i = 0; i < w->n; i++) {
		(void)hf_packet_print(&w->v[i].pkt, line, sizeof(line)); /* fits */
		fprintf(out, "%s: %s -> %s  (%s)\n", w->v[i].region,
			hf_verdict_name(w->v[i].before), hf_verdict_name(w->v[i].after), line);
	}
	if (w->more)
		fprintf(out, "and %zu more\n", w->more);
}

static json_t *witness_json(const struct hf_witness *w)
{
	char line[LINE_SIZE];

	(void)hf_packet_print(&w->pkt, line, sizeof(line)); /* fits */
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "packet", line, "region",
		w->region, "old", "verdict", hf_verdict_name(w->before), "origin", w->origin_before,
		"new", "verdict", hf_verdict_name(w->after), "origin", w->origin_after);
}

struct json_t *hf_witnesses_json(const struct hf_witnesses *w)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < w->n; i++)
		(void)json_array_append_new(list, witness_json(&w->v[i]));
	return list;
}
