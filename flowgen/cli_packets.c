/* SPDX-License-Identifier: BSD-3-Clause */

/* Packet files. */

#include "cli.h"

#include <hepflow/err.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKETS_MAX ((size_t)1 << 30) /* bytes of a packet file: some ten million packets */
#define LINE_MAX_   4096	      /* a packet line with every key has about 300 characters */

static int each_line(const char *name, const char *text, size_t size, cli_line_fn *take, void *arg,
	struct hf_err *err)
{
	const char *p = text, *end = text + size;
	char line[LINE_MAX_];
	size_t number = 0;
	int rc = 0;

	while (p < end && rc == 0) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol ? eol : end) - p);

		number++;
		if (len >= sizeof(line) || memchr(p, '\0', len))
			return hf_fail(err, -EINVAL, "%s:%zu:1: %s", name, number,
				len >= sizeof(line) ? "line too long" : "NUL character in line");
		memcpy(line, p, len);
		p += len + 1;
		if (len && line[len - 1] == '\r')
			len--;
		line[len] = '\0';
		rc = take(arg, name, number, line, err);
	}
	return rc;
}

/* The whole of a file or of standard input. *ret is freed by the caller. */
static int read_packets(const char *path, char **ret, size_t *ret_size, struct hf_err *err)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t size = 0;
	ssize_t got = 1;
	FILE *grow = open_memstream(&text, &size);
	static char piece[1 << 16];

	while (fd >= 0 && grow && got > 0 && size <= PACKETS_MAX) {
		got = read(fd, piece, sizeof(piece));
		if (got > 0)
			(void)fwrite(piece, 1, (size_t)got, grow); /* ferror() below */
		(void)fflush(grow);
	}
	if (fd < 0 || got < 0)
		(void)hf_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!grow || ferror(grow))
		(void)hf_fail(err, -ENOMEM, "%s: out of memory", path);
	else if (size > PACKETS_MAX)
		(void)hf_fail(err, -E2BIG, "%s: larger than %zu bytes", path, PACKETS_MAX);
	if (fd >= 0)
		(void)close(fd);
	if (grow)
		(void)fclose(grow);
	if (err->code == 0) {
		*ret = text;
		*ret_size = size;
		return 0;
	}
	free(text);
	return err->code;
}

int cli_read_lines(const char *path, cli_line_fn *take, void *arg, struct hf_err *err)
{
	char *text = NULL;
	size_t size = 0;
	int rc = read_packets(path, &text, &size, err);

	if (rc < 0)
		return rc;
	rc = each_line(strcmp(path, "-") == 0 ? "stdin" : path, text, size, take, arg, err);
	free(text);
	return rc;
}

bool cli_reads_input_twice(const struct cli *cli, char **files, size_t n)
{
	bool twice = cli->packets && strcmp(cli->packets, "-") == 0;
	size_t i;

	for (i = 0; twice && i < n; i++) {
		if (strcmp(files[i], "-") == 0)
			return true;
	}
	return twice && cli->host && strcmp(cli->host, "-") == 0;
}
