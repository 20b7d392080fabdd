// SPDX-License-Identifier: MIT
// What the texts of some options must look like. Each returns -1 with what is wrong and what was
// wanted; the caller adds the place and the key.
#ifndef HARK_BASE_CONFIG_CHECKS_H
#define HARK_BASE_CONFIG_CHECKS_H

#include "hark/err.h"

int config_check_address(const char *text, struct err *err);        // ADDR:PORT
int config_check_address_or_off(const char *text, struct err *err); // the same, or "off"
int config_check_cidr(const char *text, struct err *err);
int config_check_client_cert(const char *text, struct err *err);    // HOST[:PORT]:FILE, readable
int config_check_connect_to(const char *text, struct err *err);     // HOST:PORT:TO-HOST:TO-PORT
int config_check_field_name(const char *text, struct err *err);     // RFC 9110 section 5.1
int config_check_file(const char *text, struct err *err);           // exists and can be read
int config_check_host_pattern(const char *text, struct err *err);   // "*.example.com"
int config_check_json_field(const char *text, struct err *err);     // "password", "/user/token"
int config_check_playback_match(const char *text, struct err *err); // "path", "header:Accept"
int config_check_proxy_url(const char *text, struct err *err);
int config_check_reverse(const char *text, struct err *err); // ADDR:PORT=ORIGIN

// The text as a message may show it: without the USER:PASSWORD in front of an @. The caller frees
// it.
char *config_mask_login(const char *text);

#endif
