// SPDX-License-Identifier: MIT
// Debian's list of local authorities, the NSS databases of browsers, and Java's own store.
#include "ca_places.h"

#include "hark/buffer.h"
#include "java_store.h"
#include "program.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_FOLDER       "/usr/local/share/ca-certificates"
#define DEBIAN_JAVA_FOLDER "/etc/ssl/certs/java/"

// Below $HOME. A snap or a flatpak has a home of its own there.
static const struct {
    const char *name;
    const char *pattern;
} databases[] = {
    {"Chromium", ".pki/nssdb/cert9.db"},
    {"Chromium", "snap/*/current/.pki/nssdb/cert9.db"},
    {"Chromium", ".var/app/*/.pki/nssdb/cert9.db"},
    {"Firefox", ".mozilla/firefox/*/cert9.db"},
    {"Firefox", ".config/mozilla/firefox/*/cert9.db"},
    {"Firefox", "snap/firefox/common/.mozilla/firefox/*/cert9.db"},
    {"Firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox/*/cert9.db"},
    {"Firefox", ".var/app/org.mozilla.firefox/config/mozilla/firefox/*/cert9.db"},
};

static const char *const chromium_programs[] = {"chromium", "chromium-browser", "google-chrome",
                                                "google-chrome-stable"};

struct finder {
    struct ca_places *places;
    const struct ca_certificate *certificate;
};

#define COMMAND_WORDS_MAX 16

// The words up to NULL as a command that lives in the arena.
static ca_command command(struct arena *arena, const char *const *words)
{
    size_t count = 0;
    while (count < COMMAND_WORDS_MAX && (count == 0 || words[count]))
        count++;
    const char **copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    memcpy(copy, words, count * sizeof *copy);
    return copy;
}

#define COMMAND(finder, ...) \
    command(&(finder)->places->arena, (const char *const[]){__VA_ARGS__, NULL})

static const char *tool(const struct finder *finder, const char *name)
{
    char *path = program_find(name);
    const char *kept = arena_strdup(&finder->places->arena, path);
    free(path);
    return kept;
}

static struct ca_place *add(const struct finder *finder, const char *name, const char *path)
{
    struct ca_places *places = finder->places;
    if (places->count == CA_PLACES_MAX)
        return NULL;
    struct ca_place *place = &places->items[places->count++];
    place->name = name;
    place->path = arena_strdup(&places->arena, path);
    return place;
}

// --- the system ------------------------------------------------------------------------------

static void find_system(const struct finder *finder)
{
    const char *update = tool(finder, "update-ca-certificates");
    const char *file =
        arena_printf(&finder->places->arena, LOCAL_FOLDER "/hark-%s.crt", finder->certificate->id);
    struct ca_place *place = add(finder, "system", file);
    if (!place)
        return;
    if (!update)
        place->mend = "there is no update-ca-certificates (Debian: apt install ca-certificates); "
                      "other systems have other ways to add a certificate";
    place->needs_root = geteuid() != 0;
    place->install[0] = COMMAND(finder, tool(finder, "install"), "-D", "-m", "644",
                                finder->certificate->path, place->path);
    place->install[1] = COMMAND(finder, update);
    place->uninstall[0] = COMMAND(finder, tool(finder, "rm"), "-f", place->path);
    place->uninstall[1] = COMMAND(finder, update, "--fresh");
}

// --- browsers --------------------------------------------------------------------------------

static struct ca_place *add_database(const struct finder *finder, const char *name,
                                     const char *folder)
{
    struct ca_place *place = add(finder, name, folder);
    const char *certutil = tool(finder, "certutil");
    const char *database = arena_printf(&finder->places->arena, "sql:%s", folder);
    const char *nickname = finder->certificate->name;
    if (!place)
        return NULL;
    if (!certutil)
        place->mend = "certutil is missing; try: apt install libnss3-tools";
    place->check = COMMAND(finder, certutil, "-L", "-d", database, "-n", nickname);
    place->install[0] = COMMAND(finder, certutil, "-A", "-d", database, "-t", "C,,", "-n", nickname,
                                "-i", finder->certificate->path);
    place->uninstall[0] = COMMAND(finder, certutil, "-D", "-d", database, "-n", nickname);
    return place;
}

static void find_databases(const struct finder *finder, const char *home, const char *name,
                           const char *pattern)
{
    char *whole = mem_printf("%s/%s", home, pattern);
    glob_t found;
    if (glob(whole, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            *strrchr(found.gl_pathv[i], '/') = '\0';
            add_database(finder, name, found.gl_pathv[i]);
        }
        globfree(&found);
    }
    free(whole);
}

static bool has_chromium(void)
{
    bool has = false;
    for (size_t i = 0; i < sizeof chromium_programs / sizeof chromium_programs[0] && !has; i++) {
        char *path = program_find(chromium_programs[i]);
        has = path != NULL;
        free(path);
    }
    return has;
}

// Chromium makes its database when it is first asked to keep something in it.
static void find_future_chromium(const struct finder *finder, const char *home)
{
    char *folder = mem_printf("%s/.pki/nssdb", home);
    char *file = mem_printf("%s/cert9.db", folder);
    struct ca_place *place = NULL;
    if (access(file, F_OK) != 0 && has_chromium())
        place = add_database(finder, "Chromium", folder);
    if (place) {
        const char *database = arena_printf(&finder->places->arena, "sql:%s", folder);
        place->install[2] = place->install[0];
        place->install[0] = COMMAND(finder, tool(finder, "mkdir"), "-p", "-m", "700", place->path);
        place->install[1] =
            COMMAND(finder, tool(finder, "certutil"), "-N", "-d", database, "--empty-password");
    }
    free(folder);
    free(file);
}

static void find_browsers(const struct finder *finder)
{
    const char *home = getenv("HOME");
    if (!home || !*home)
        return;
    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++)
        find_databases(finder, home, databases[i].name, databases[i].pattern);
    find_future_chromium(finder, home);
}

// --- Java ------------------------------------------------------------------------------------

// Debian's store learns what the system's list gains, under names of this kind, but not always what
// that loses.
static void find_java(const struct finder *finder)
{
    struct java java = java_find();
    struct ca_place *place = java.cacerts ? add(finder, "Java", java.cacerts) : NULL;
    if (place) {
        bool is_debians = strncmp(place->path, DEBIAN_JAVA_FOLDER, strlen(DEBIAN_JAVA_FOLDER)) == 0;
        struct arena *arena = &finder->places->arena;
        const char *keytool = arena_strdup(arena, java.keytool);
        const char *alias = arena_printf(arena, is_debians ? "debian:hark-%s.pem" : "hark-%s",
                                         finder->certificate->id);
        if (!keytool)
            place->mend = "keytool is missing; it comes with a JDK or a full JRE";
        place->needs_root = access(place->path, W_OK) != 0;
        place->check = COMMAND(finder, keytool, "-list", "-keystore", place->path, "-storepass",
                               JAVA_STORE_PASSWORD, "-alias", alias);
        place->install[0] = COMMAND(finder, keytool, "-importcert", "-noprompt", "-keystore",
                                    place->path, "-storepass", JAVA_STORE_PASSWORD, "-alias", alias,
                                    "-file", finder->certificate->path);
        place->uninstall[0] = COMMAND(finder, keytool, "-delete", "-keystore", place->path,
                                      "-storepass", JAVA_STORE_PASSWORD, "-alias", alias);
    }
    java_fini(&java);
}

// --- all of them -------------------------------------------------------------------------------

static bool is_complete(const ca_command *commands)
{
    for (; *commands; commands++)
        if (!(*commands)[0])
            return false;
    return true;
}

void ca_places_find(struct ca_places *places, const struct ca_certificate *certificate)
{
    *places = (struct ca_places){0};
    const struct finder finder = {places, certificate};
    find_system(&finder);
    find_browsers(&finder);
    find_java(&finder);
    for (size_t i = 0; i < places->count; i++) {
        struct ca_place *place = &places->items[i];
        if (!place->mend && !(is_complete(place->install) && is_complete(place->uninstall)))
            place->mend = "install, rm and mkdir must be in the PATH";
    }
}

void ca_places_fini(struct ca_places *places)
{
    arena_fini(&places->arena);
    *places = (struct ca_places){0};
}

bool ca_place_trusts(const struct ca_place *place)
{
    struct err ignored = {0};
    if (!place->check)
        return access(place->path, F_OK) == 0;
    return place->check[0] && program_run(place->check, NULL, &ignored) == 0;
}
