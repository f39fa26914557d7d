/* SPDX-License-Identifier: BSD-3-Clause */

/* Calls a fuzz target once for every file of a folder: replay FOLDER. */

#include "fuzz.h"

#include <dirent.h>

static int replay(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *data = NULL;
	long size = -1;

	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	/* As large as the file, so that AddressSanitizer guards its end. */
	if (size >= 0)
		data = malloc(size ? (size_t)size : 1);
	if (!data || fseek(file, 0, SEEK_SET) || fread(data, 1, (size_t)size, file) != (size_t)size)
		size = -1;
	if (file)
		(void)fclose(file); /* it was only read */
	if (size >= 0)
		(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	else
		fprintf(stderr, "%s: cannot be read\n", path);
	free(data);
	return size < 0;
}

int main(int argc, char **argv)
{
	struct dirent **names;
	int i, n, bad = 0, done = 0;

	n = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
	if (n < 0) {
		fprintf(stderr, "replay: a folder is needed\n");
		return 2;
	}
	for (i = 0; i < n; i++) {
		char path[4096];

		if (names[i]->d_name[0] != '.') {
			(void)snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
			printf("%s\n", names[i]->d_name);
			(void)fflush(stdout); /* the last name is the culprit if this ends here */
			bad |= replay(path);
			done++;
		}
		free(names[i]);
	}
	free(names);
	return bad || !done;
}
