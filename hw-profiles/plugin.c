/* SPDX-License-Identifier: BSD-3-Clause */

#include "plugin.h"

#include <hepflow/err.h>
#include <hepflow/testpmd_child.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUGIN "librte_net_vnic.so"
#define FOLDER "hepflow-vnic.XXXXXX"
#define PIECE  (1u << 20) /* bytes copied at once */

/* The program in the build tree stands in one folder, the plugin in the folder beside it. */
static int find_built(char ret[static PATH_MAX])
{
	char program[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len < 0)
		return -errno;
	program[len] = '\0';
	slash = strrchr(program, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	if (snprintf(ret, PATH_MAX, "%s/../driver/" PLUGIN, program) >= PATH_MAX)
		return -ENAMETOOLONG;
	return access(ret, R_OK) == 0 ? 0 : -errno;
}

static int find(char ret[static PATH_MAX], struct hf_err *err)
{
	const char *env = getenv(HF_VNIC_ENV);
	char path[PATH_MAX];

	if (env && env[0] != '\0')
		(void)snprintf(path, sizeof(path), "%s", env); /* realpath() says if it was cut */
	else if (find_built(path) < 0)
		(void)snprintf(path, sizeof(path), "%s", HF_VNIC_INSTALLED);
	if (!realpath(path, ret))
		return hf_fail(err, -ENOENT, "no virtual NIC: %s: %s (%s names it)", path,
			strerror(errno), HF_VNIC_ENV);
	return 0;
}

static bool below_open_folder(const char *path)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	(void)snprintf(dir, sizeof(dir), "%s", path); /* both are PATH_MAX */
	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = '\0';
		if (stat(dir, &st) < 0 || (st.st_mode & S_IWOTH))
			return true;
	}
	return false;
}

static int copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, rc = 0;
	ssize_t n = 1;

	if (in >= 0)
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (out >= 0 && n > 0)
		n = sendfile(out, in, NULL, PIECE);
	if (in < 0 || out < 0 || n < 0)
		rc = -errno;
	if (in >= 0)
		(void)close(in);
	if (out >= 0 && close(out) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int move_to_safety(struct hf_plugin *plugin, struct hf_err *err)
{
	const char *env = getenv("XDG_RUNTIME_DIR");
	const char *parent = env && env[0] == '/' ? env : "/run";
	char from[PATH_MAX];
	int rc;

	memcpy(from, plugin->path, sizeof(from));
	if (snprintf(plugin->folder, PATH_MAX, "%s/" FOLDER, parent) >= PATH_MAX)
		return hf_fail(err, -ENAMETOOLONG, "%s: path too long", parent);
	if (!mkdtemp(plugin->folder)) {
		rc = hf_fail(err, -errno, "%s: %s", plugin->folder, strerror(errno));
		plugin->folder[0] = '\0';
		return rc;
	}
	if (snprintf(plugin->path, PATH_MAX, "%s/" PLUGIN, plugin->folder) >= PATH_MAX)
		rc = -ENAMETOOLONG;
	else
		rc = copy(from, plugin->path);
	if (rc == 0)
		return 0;
	hf_plugin_fini(plugin);
	return hf_fail(err, rc, "%s: cannot be copied to %s: %s", from, parent, strerror(-rc));
}

int hf_plugin_init(struct hf_plugin *ret, struct hf_err *err)
{
	int rc;

	ret->folder[0] = '\0';
	rc = find(ret->path, err);
	if (rc == 0 && below_open_folder(ret->path))
		rc = move_to_safety(ret, err);
	return rc;
}

void hf_plugin_fini(struct hf_plugin *plugin)
{
	if (plugin->folder[0] == '\0')
		return;
	(void)unlink(plugin->path); /* what remains lies in a folder that goes with the session */
	(void)rmdir(plugin->folder);
	plugin->folder[0] = '\0';
}
