# SPDX-License-Identifier: MIT
# config/hark.conf: its first comment is the description, each comment after it that of the keys
# which follow.

function flush_comment() {
    if (comment != "")
        print comment
    comment = ""
}

/^# hark.conf: / { next }

/^## / {
    print "# " toupper(escape(substr($0, 4))) "\n"
    comment = ""
    next
}

/^#/ {
    if (had_key)
        print ""
    had_key = 0
    text = substr($0, 3)
    comment = comment (comment == "" ? "" : "\n") (in_keys ? "\t" : "") escape_line(text)
    next
}

/^[a-z_]+ =/ {
    key = $1
    value = $0
    sub(/^[a-z_]+ = ?/, "", value)
    keys = keys (keys == "" ? "" : "++\n") "*" escape(key) "* = " (value == "" ? "" : "_" escape(value) "_")
    next
}

/^$/ { finish() }
END  { finish() }

# The names come first, then what was said above them.
function finish() {
    if (keys != "") {
        print keys
        flush_comment()
        print ""
    } else if (!in_keys) {
        flush_comment()
        print ""
    }
    keys = ""
    comment = ""
    in_keys = 1
}
