// SPDX-License-Identifier: MIT
// Making the files: text put together here, the shims from daemon/cli/shims, and a trust store that
// keytool makes.
#include "client_files.h"

#include "file.h"
#include "hark/authority.h"
#include "hark/embedded.h"
#include "java_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE   0644
#define FOLDER_MODE 0700

static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine
};

// Variables by which somebody may have said which certificates to trust.
static const char *const caller_variables[] = {
    "SSL_CERT_FILE",       "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
};

#define CALLER_VARIABLES (sizeof caller_variables / sizeof caller_variables[0])

const char *client_files_system_bundle(void)
{
    for (size_t i = 0; i < sizeof system_bundles / sizeof system_bundles[0]; i++)
        if (access(system_bundles[i], R_OK) == 0)
            return system_bundles[i];
    return NULL;
}

// --- bundle.pem --------------------------------------------------------------------------------

// The files that a bundle is made of, each once.
struct sources {
    char *paths[CALLER_VARIABLES + 1]; // real paths
    size_t count;
};

static void add_source(struct sources *sources, const char *path, const char *folder)
{
    char *real = path && *path ? realpath(path, NULL) : NULL;
    bool is_ours = real && strncmp(real, folder, strlen(folder)) == 0;
    for (size_t i = 0; i < sources->count && real && !is_ours; i++)
        is_ours = strcmp(sources->paths[i], real) == 0;
    if (real && !is_ours)
        sources->paths[sources->count++] = real;
    else
        free(real);
}

static void append_source(const char *path, struct log *log, struct buffer *bundle)
{
    struct err err = {0};
    if (file_read(path, bundle, &err) < 0)
        log_warn(log, "ca", "%s; it is left out of bundle.pem", err.text);
    if (bundle->length > 0 && bundle->data[bundle->length - 1] != '\n')
        buffer_append_char(bundle, '\n');
}

static int make_bundle(const struct client_files *files, const char *folder, const char *ca_pem,
                       struct log *log, struct err *err)
{
    struct sources sources = {0};
    add_source(&sources, client_files_system_bundle(), folder);
    for (size_t i = 0; i < CALLER_VARIABLES; i++)
        add_source(&sources, getenv(caller_variables[i]), folder);
    if (sources.count == 0)
        log_warn(log, "ca", "no certificates of the system are found; install ca-certificates");

    struct buffer bundle = {0};
    for (size_t i = 0; i < sources.count; i++) {
        append_source(sources.paths[i], log, &bundle);
        free(sources.paths[i]);
    }
    buffer_append_text(&bundle, ca_pem);
    int rc = file_replace(files->bundle, &bundle, FILE_MODE, err);
    buffer_fini(&bundle);
    return rc;
}

// --- files of one kind of program ----------------------------------------------------------------

// SYSTEM_WGETRC replaces /etc/wgetrc, so what is in that comes first.
static int make_wgetrc(const struct client_files *files, struct err *err)
{
    struct buffer text = {0};
    if (access("/etc/wgetrc", R_OK) == 0 && file_read("/etc/wgetrc", &text, err) < 0) {
        buffer_fini(&text);
        return -1;
    }
    buffer_printf(&text, "\nca_certificate = %s\n", files->bundle);
    int rc = file_replace(files->wgetrc, &text, FILE_MODE, err);
    buffer_fini(&text);
    return rc;
}

static int write_embedded(const char *name, const char *folder, struct err *err)
{
    const struct embedded_file *file = embedded_find(embedded_shims, name);
    assert(file != NULL);
    struct buffer data = {0};
    buffer_append(&data, file->data, file->length);
    char *path = mem_printf("%s/%s", folder, name);
    int rc = file_replace(path, &data, FILE_MODE, err);
    free(path);
    buffer_fini(&data);
    return rc;
}

// `${name}` in an ini file is what the files before it gave to `name`.
static int make_php_ini(const struct client_files *files, struct err *err)
{
    struct buffer text = {0};
    buffer_printf(&text,
                  "; Made by hark, which names this folder in PHP_INI_SCAN_DIR.\n"
                  "curl.cainfo = \"%s\"\n"
                  "openssl.cafile = \"%s\"\n"
                  "hark.auto_prepend_file = ${auto_prepend_file}\n"
                  "auto_prepend_file = \"%s/prepend.php\"\n",
                  files->bundle, files->bundle, files->php_folder);
    char *path = mem_printf("%s/hark.ini", files->php_folder);
    int rc = file_replace(path, &text, FILE_MODE, err);
    free(path);
    buffer_fini(&text);
    return rc < 0 ? -1 : write_embedded("prepend.php", files->php_folder, err);
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
        return err_set(err, "make %s: %s", path, strerror(errno));
    return 0;
}

// --- all of them -------------------------------------------------------------------------------

static void make_java_store(struct client_files *files, const char *clients, struct log *log)
{
    struct err err = {0};
    char *path = NULL;
    if (java_store_make(clients, files->ca, &path, &err) < 0)
        log_warn(log, "ca", "trust store for Java: %s; Java programs will not trust hark",
                 err.text);
    files->java_store = arena_strdup(&files->arena, path);
    free(path);
}

static int make_files(struct client_files *files, const char *folder, const char *ca_pem,
                      struct log *log, struct err *err)
{
    struct arena *arena = &files->arena;
    const char *clients = arena_printf(arena, "%s/clients", folder);
    files->ca = arena_printf(arena, "%s/ca.pem", folder);
    files->bundle = arena_printf(arena, "%s/bundle.pem", folder);
    files->wgetrc = arena_printf(arena, "%s/wgetrc", clients);
    files->php_folder = arena_printf(arena, "%s/php", clients);
    files->python_folder = arena_printf(arena, "%s/python", clients);
    files->node_shim = arena_printf(arena, "%s/node.js", clients);
    if (make_bundle(files, folder, ca_pem, log, err) < 0 || make_folder(clients, err) < 0 ||
        make_folder(files->php_folder, err) < 0 || make_folder(files->python_folder, err) < 0 ||
        make_wgetrc(files, err) < 0 || make_php_ini(files, err) < 0 ||
        write_embedded("sitecustomize.py", files->python_folder, err) < 0 ||
        write_embedded("node.js", clients, err) < 0)
        return -1;
    make_java_store(files, clients, log);
    return 0;
}

int client_files_make(const char *data_dir, struct log *log, struct client_files *files,
                      struct err *err)
{
    *files = (struct client_files){0};
    char *folder = realpath(data_dir, NULL);
    if (!folder)
        return err_set(err, "data folder: %s: %s", data_dir, strerror(errno));
    struct authority *authority = authority_open(folder, err);
    int rc = authority ? make_files(files, folder, authority_pem(authority), log, err) : -1;
    authority_close(authority);
    free(folder);
    return rc;
}

void client_files_fini(struct client_files *files)
{
    arena_fini(&files->arena);
    *files = (struct client_files){0};
}
