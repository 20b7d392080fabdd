# SPDX-License-Identifier: MIT
# As much of Markdown as docs/*.md use. A table becomes a list of its first column, with what the
# others say under each. The title is the page's name, and left out.

# `code`, **bold** and [links](…).
function inline(text,    done, end, inner) {
    done = ""
    while (match(text, /`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\)/)) {
        done = done escape(substr(text, 1, RSTART - 1))
        inner = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (inner ~ /^`/) {
            done = done "*" escape(substr(inner, 2, length(inner) - 2)) "*"
        } else if (inner ~ /^\*/) {
            done = done "*" escape(substr(inner, 3, length(inner) - 4)) "*"
        } else {
            end = index(inner, "](")
            done = done inline(substr(inner, 2, end - 2))
        }
    }
    return done escape(text)
}

function inline_line(text) {
    text = inline(text)
    return text ~ /^[#;.|\[\]]/ ? "\\" text : text
}

function print_row(    cells, count, i, text) {
    gsub(/\\\|/, "\001")
    sub(/^\| */, "")
    sub(/ *\|$/, "")
    count = split($0, cells, / *\| */)
    for (i = 1; i <= count; i++)
        gsub(/\001/, "|", cells[i])
    if (!in_table) {
        for (i = 1; i <= count; i++)
            heads[i] = toupper(substr(cells[i], 1, 1)) substr(cells[i], 2)
        in_table = 1
        return
    }
    if (cells[1] ~ /^:?-+:?$/)
        return
    print inline_line(cells[1])
    text = count > 1 ? inline_line(cells[2]) : ""
    for (i = 3; i <= count; i++)
        if (cells[i] != "")
            text = text ". " inline(heads[i]) ": " inline(cells[i])
    print "\t" (text == "" ? "See below." : text) "\n"
}

/^```/ { in_fence = !in_fence; if (!in_fence) end_literal(""); next }
in_fence { literal($0, ""); next }
/^    / { literal(substr($0, 5), ""); next }
in_literal { end_literal("") }
/^\|/ { print_row(); next }
{ in_table = 0 }
/^# / { next }
/^## / { print "# " toupper(escape(substr($0, 4))); next }
/^### / { print "## " escape(substr($0, 5)); next }
{ print inline_line($0) }
END { end_literal("") }
