// SPDX-License-Identifier: MIT
// Whose file is it? Asked before anything is done that could change it.
#ifndef HARK_STORE_IDENTITY_H
#define HARK_STORE_IDENTITY_H

enum file_identity {
    FILE_BLANK, // missing, empty, or what an earlier start left, if it died early
    FILE_RECORDING,
    FILE_OTHER_DATABASE,
    FILE_NO_DATABASE
};

// By the header alone. What cannot be read is blank: whoever opens it says why.
enum file_identity identity_look(const char *path);

#endif
