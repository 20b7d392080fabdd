// SPDX-License-Identifier: MIT
// hark version: hark and the libraries it really runs with, which need not be those it was built
// with.
#include "hark/version.h"
#include "command.h"
#include "doctor.h"
#include "hark/mem.h"

#include <brotli/decode.h>
#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <microhttpd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct library {
    const char *name;
    char version[48];
};

#define LIBRARIES_MAX 12

struct libraries {
    struct library items[LIBRARIES_MAX];
    size_t count;
};

static void add(struct libraries *libraries, const char *name, const char *version)
{
    struct library *library = &libraries->items[libraries->count++];
    library->name = name;
    snprintf(library->version, sizeof library->version, "%s", version ? version : "none");
}

static struct libraries find_libraries(void)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    char brotli[32];
    snprintf(brotli, sizeof brotli, "%u.%u.%u", BrotliDecoderVersion() >> 24,
             BrotliDecoderVersion() >> 12 & 0xfff, BrotliDecoderVersion() & 0xfff);

    struct libraries libraries = {0};
    add(&libraries, "libmicrohttpd", MHD_get_version());
    add(&libraries, "libcurl", curl->version);
    add(&libraries, "libcurl-tls", curl->ssl_version);
    add(&libraries, "sqlite", sqlite3_libversion());
    add(&libraries, "gnutls", gnutls_check_version(NULL));
    add(&libraries, "jansson", jansson_version_str());
    add(&libraries, "zlib", zlibVersion());
    add(&libraries, "brotli", brotli);
    add(&libraries, "zstd", ZSTD_versionString());
    return libraries;
}

// "7.88.1" as a number to compare.
static long number_of(const char *version)
{
    long number = 0;
    for (int part = 0; part < 3; part++) {
        char *end;
        long value = strtol(version, &end, 10);
        number = number * 1000 + (value < 999 ? value : 999);
        version = *end == '.' ? end + 1 : "";
    }
    return number;
}

void doctor_check_libraries(struct doctor *doctor)
{
    static const struct {
        const char *name, *version;
    } oldest[] = {{"libmicrohttpd", "0.9.75"}, {"libcurl", "7.88.1"}, {"sqlite", "3.40.1"}};
    struct libraries libraries = find_libraries();
    size_t before = doctor->count;
    for (size_t i = 0; i < libraries.count; i++)
        for (size_t k = 0; k < sizeof oldest / sizeof oldest[0]; k++)
            if (strcmp(libraries.items[i].name, oldest[k].name) == 0 &&
                number_of(libraries.items[i].version) < number_of(oldest[k].version))
                doctor_say(doctor, FINDING_WARNING, "libraries", mem_strdup("sudo apt upgrade"),
                           "%s %s is older than %s, the oldest that hark is tested with",
                           oldest[k].name, libraries.items[i].version, oldest[k].version);
    if (doctor->count == before)
        doctor_say(doctor, FINDING_OK, "libraries", NULL, "none is older than what is tested");
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    struct libraries libraries = find_libraries();
    if (!invocation_has(invocation, "json")) {
        printf("hark %s\n", HARK_VERSION);
        for (size_t i = 0; i < libraries.count; i++)
            printf("%-14s %s\n", libraries.items[i].name, libraries.items[i].version);
        return STATUS_DONE;
    }
    json_t *object = json_pack("{s:s}", "hark", HARK_VERSION);
    for (size_t i = 0; i < libraries.count; i++)
        json_object_set_new(object, libraries.items[i].name,
                            json_string(libraries.items[i].version));
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
    return STATUS_DONE;
}

static const struct command_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    {NULL, 0, NULL, NULL},
};

const struct command command_version = {
    .name = "version",
    .summary = "versions of hark and the libraries it runs with",
    .help = "Prints the version of hark and of each library, as found at run time.\n",
    .options = options,
    .run = run,
};
