# SPDX-License-Identifier: MIT
# The help of one command, as "hark help COMMAND" prints it.

# What every command takes has a section of its own.
function is_common(option) {
    return option ~ /--(data-dir|config|help)( |$)/
}

# "-n, --limit N" with its letters and words in bold, its argument underlined.
function print_option(option,    words, count, i, line) {
    count = split(option, words, " ")
    for (i = 1; i <= count; i++) {
        if (words[i] ~ /^-/) {
            sub(/,$/, "", words[i])
            line = line (i > 1 ? ", " : "") "*" escape(words[i]) "*"
        } else {
            line = line " _" escape(words[i]) "_"
        }
    }
    print line
}

NR == 1 {
    split($0, parts, " - ")
    name = parts[1]
    summary = parts[2]
    next
}

/^Usage: / && !usage {
    usage = substr($0, 8)
    print "## " escape(usage) "\n"
    print toupper(substr(summary, 1, 1)) escape(substr(summary, 2)) ".\n"
    next
}

/^Options:$/ { in_options = 1; end_literal(""); print ""; next }

in_options && /^ ? ? ? ? ? ? ?-/ {
    # What stands from column 26 on is its help.
    option = substr($0, 1, 26)
    help = substr($0, 27)
    if (length($0) <= 26 || option !~ / $/) {
        option = $0
        help = ""
        if (match($0, /[^ ]   +[^ ]/)) {
            option = substr($0, 1, RSTART)
            help = substr($0, RSTART + RLENGTH - 1)
        }
    }
    gsub(/^ +| +$/, "", option)
    skipped = is_common(option)
    if (!skipped) {
        print ""
        print_option(option)
        if (help != "")
            print "\t" escape_line(help)
    }
    next
}

in_options {
    sub(/^ +/, "")
    if (!skipped && $0 != "")
        print "\t" escape_line($0)
    next
}

/^  / { literal(substr($0, 3), ""); next }
      { end_literal(""); print escape_line($0) }

END { end_literal(""); print "" }
