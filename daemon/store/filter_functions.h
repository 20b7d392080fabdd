// SPDX-License-Identifier: MIT
// The SQL functions that a filter's conditions call.
//
//     hark_body(side, text, id, kind, coding, size, segment)
//         Is the text in that body of an exchange? `coding` is that of the response, `segment` the
//         first one if it is at hand, else NULL.
//     hark_header(name, text, headers, …)
//         Has one of the lists of fields one of that name (in lower case), and the text in its
//         value? NULL stands for any value.
//     hark_url(text, scheme, host, port, path, query)
//         Is the text in the URL, as the view `traffic` has it?
//
// All of them compare ASCII letters without regard to their case.
#ifndef HARK_STORE_FILTER_FUNCTIONS_H
#define HARK_STORE_FILTER_FUNCTIONS_H

#include "body_search.h"
#include "hark/buffer.h"
#include "hark/err.h"

// What the functions of one connection need. Owner: that of the connection. Thread: the same.
struct filter_functions {
    struct body_search bodies;
    struct buffer url;
};

// Makes them known to a connection, which has to be closed before filter_functions_fini(). `watch`
// may be NULL.
int filter_functions_add(struct filter_functions *functions, sqlite3 *db, struct watch *watch,
                         const char *path, struct err *err);
// Ends their statements, without which the connection cannot be closed.
void filter_functions_fini(struct filter_functions *functions);

#endif
