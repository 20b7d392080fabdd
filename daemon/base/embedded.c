// SPDX-License-Identifier: MIT
#include "hark/embedded.h"

#include <string.h>

const struct embedded_file *embedded_find(const struct embedded_file *list, const char *name)
{
    while (list->name != NULL && strcmp(list->name, name) != 0)
        list++;
    return list->name != NULL ? list : NULL;
}
