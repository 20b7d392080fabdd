// SPDX-License-Identifier: MIT
// The differences between the versions of libcurl that hark builds with.
#ifndef HARK_PROXY_CURL_COMPAT_H
#define HARK_PROXY_CURL_COMPAT_H

#include <curl/curl.h>

// Which error a response head over libcurl's own limit gives.
#if LIBCURL_VERSION_NUM >= 0x080600
#define CURL_COMPAT_TOO_LARGE CURLE_TOO_LARGE
#else
#define CURL_COMPAT_TOO_LARGE CURLE_OUT_OF_MEMORY
#endif

#endif
