/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/err.h>

#include "hf_test.h"

#include <errno.h>
#include <string.h>

HF_SUITE(err);

Test(err, failing_returns_the_code_and_keeps_the_text)
{
	struct hf_err err = {0};

	cr_expect_eq(hf_fail(&err, -EINVAL, "%s:%d:%d: bad", "web.yaml", 14, 9), -EINVAL);
	cr_expect_eq(err.code, -EINVAL);
	cr_expect_str_eq(err.text, "web.yaml:14:9: bad");
}

Test(err, nobody_has_to_listen)
{
	cr_expect_eq(hf_fail(NULL, -ENOENT, "text"), -ENOENT);
	cr_expect_eq(hf_err_prefix(NULL, -EIO, "text"), -EIO);
}

Test(err, a_prefix_goes_in_front_and_the_first_code_stays)
{
	struct hf_err err = {0};

	(void)hf_fail(&err, -E2BIG, "too long");
	cr_expect_eq(hf_err_prefix(&err, -EIO, "%s: ", "policy"), -E2BIG);
	cr_expect_str_eq(err.text, "policy: too long");
}

Test(err, a_prefix_without_a_code_gives_the_code_it_was_called_with)
{
	struct hf_err err = {0};

	cr_expect_eq(hf_err_prefix(&err, -EIO, "policy: "), -EIO);
	cr_expect_str_eq(err.text, "policy: ");
}

Test(err, text_longer_than_the_buffer_is_cut)
{
	struct {
		struct hf_err err;
		char after;
	} e = {.after = '#'};
	char text[2 * HF_ERR_SIZE];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_expect_eq(hf_fail(&e.err, -EINVAL, "%s", text), -EINVAL);
	cr_expect_eq(strlen(e.err.text), HF_ERR_SIZE - 1);
	cr_expect_eq(hf_err_prefix(&e.err, -EINVAL, "front: "), -EINVAL);
	cr_expect_eq(strlen(e.err.text), HF_ERR_SIZE - 1);
	cr_expect_eq(strncmp(e.err.text, "front: xxx", 10), 0);
	cr_expect_eq(hf_err_prefix(&e.err, -EINVAL, "%s", text), -EINVAL);
	cr_expect_eq(strlen(e.err.text), HF_ERR_SIZE - 1);
	cr_expect_eq(e.after, '#');
}
