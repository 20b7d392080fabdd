// SPDX-License-Identifier: MIT
// keytool does the work, which takes a second; so a note beside the store says what it was made
// from. Neither the certificates in the store are encrypted nor is there a checksum, because Java
// opens a trust store without a password unless it is told one.
#include "java_store.h"

#include "file.h"
#include "hark/mem.h"
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN_CERTIFICATES "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE"
#define NO_CHECKSUM        "-J-Dkeystore.pkcs12.macAlgorithm=NONE"

// --- the Java that is here -----------------------------------------------------------------------

// Cuts the last `count` parts off a path.
static void go_up(char *path, int count)
{
    for (; count > 0; count--) {
        char *slash = strrchr(path, '/');
        *(slash ? slash : path) = '\0';
    }
}

static char *java_home(void)
{
    const char *home = getenv("JAVA_HOME");
    if (home && *home)
        return mem_strdup(home);
    char *java = program_find("java");
    char *real = java ? realpath(java, NULL) : NULL;
    free(java);
    if (real)
        go_up(real, 2);
    return real;
}

static char *find_cacerts(const char *home)
{
    static const char *const places[] = {"lib/security/cacerts", "jre/lib/security/cacerts"};
    char *real = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !real; i++) {
        char *path = mem_printf("%s/%s", home, places[i]);
        real = realpath(path, NULL);
        free(path);
    }
    return real;
}

struct java java_find(void)
{
    struct java java = {0};
    char *home = java_home();
    if (!home)
        return java;
    java.cacerts = find_cacerts(home);
    java.keytool = mem_printf("%s/bin/keytool", home);
    if (access(java.keytool, X_OK) < 0) {
        free(java.keytool);
        java.keytool = program_find("keytool");
    }
    free(home);
    return java;
}

void java_fini(struct java *java)
{
    free(java->keytool);
    free(java->cacerts);
    *java = (struct java){0};
}

// --- the copy ----------------------------------------------------------------------------------

static int describe_file(const char *path, struct buffer *text, struct err *err)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return err_set(err, "look at %s: %s", path, strerror(errno));
    buffer_printf(text, "%s %" PRId64 " %" PRId64 ".%09ld\n", path, (int64_t)info.st_size,
                  (int64_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    return 0;
}

static bool is_made_from(const char *note_path, const struct buffer *sources)
{
    struct buffer note = {0};
    struct err ignored = {0};
    bool is_same =
        file_read(note_path, &note, &ignored) == 0 && strcmp(note.data, sources->data) == 0;
    buffer_fini(&note);
    return is_same;
}

static int copy_store(const struct java *java, const char *ca_path, const char *fresh,
                      struct err *err)
{
    const char *const copy[] = {java->keytool,
                                "-importkeystore",
                                "-noprompt",
                                "-srckeystore",
                                java->cacerts,
                                "-srcstorepass",
                                JAVA_STORE_PASSWORD,
                                "-destkeystore",
                                fresh,
                                "-deststoretype",
                                "PKCS12",
                                "-deststorepass",
                                JAVA_STORE_PASSWORD,
                                PLAIN_CERTIFICATES,
                                NO_CHECKSUM,
                                NULL};
    const char *const add[] = {java->keytool,
                               "-importcert",
                               "-noprompt",
                               "-alias",
                               "hark",
                               "-file",
                               ca_path,
                               "-keystore",
                               fresh,
                               "-storetype",
                               "PKCS12",
                               "-storepass",
                               JAVA_STORE_PASSWORD,
                               PLAIN_CERTIFICATES,
                               NO_CHECKSUM,
                               NULL};
    unlink(fresh);
    if (program_run(copy, NULL, err) < 0 || program_run(add, NULL, err) < 0)
        return -1;
    return 0;
}

static int make(const struct java *java, const char *ca_path, const char *path,
                const char *note_path, const struct buffer *sources, struct err *err)
{
    char *fresh = mem_printf("%s.%d.new", path, (int)getpid());
    int rc = copy_store(java, ca_path, fresh, err);
    // Without the note first: a store that nobody vouches for is made again.
    if (rc == 0 && unlink(note_path) < 0 && errno != ENOENT)
        rc = err_set(err, "remove %s: %s", note_path, strerror(errno));
    if (rc == 0 && (chmod(fresh, 0644) < 0 || rename(fresh, path) < 0))
        rc = err_set(err, "write %s: %s", path, strerror(errno));
    if (rc == 0)
        rc = file_replace(note_path, sources, 0644, err);
    unlink(fresh);
    free(fresh);
    return rc;
}

int java_store_make(const char *folder, const char *ca_path, char **path, struct err *err)
{
    struct java java = java_find();
    struct buffer sources = {0};
    char *store = mem_printf("%s/cacerts.p12", folder);
    char *note = mem_printf("%s/cacerts.from", folder);
    int rc = 0;
    *path = NULL;
    if (!java.cacerts) {
        unlink(store);
        unlink(note);
        goto out;
    }
    rc = describe_file(java.cacerts, &sources, err);
    if (rc == 0)
        rc = describe_file(ca_path, &sources, err);
    if (rc == 0 && (access(store, R_OK) < 0 || !is_made_from(note, &sources)))
        rc = java.keytool ? make(&java, ca_path, store, note, &sources, err)
                          : err_set(err, "keytool is missing; install a JRE that has it");
    if (rc == 0)
        *path = mem_strdup(store);
out:
    free(store);
    free(note);
    buffer_fini(&sources);
    java_fini(&java);
    return rc;
}
