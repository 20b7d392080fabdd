# SPDX-License-Identifier: MIT
# What the other scripts share: plain text as scdoc.

# Text with nothing in it that means something to scdoc. What is a page here is called by its name.
function escape(text) {
    gsub(/docs\/filter\.md/, "hark-filter(7)", text)
    gsub(/docs\/schema\.md/, "hark-schema(7)", text)
    gsub(/[\\*_]/, "\\\\&", text)
    return text
}

# The same at the beginning of a line.
function escape_line(text) {
    text = escape(text)
    return text ~ /^[-#;.|\[\]`]/ ? "\\" text : text
}

# Consecutive lines become one literal block, indented as far as `indent` says.
function literal(text, indent) {
    if (!in_literal)
        print indent "```"
    in_literal = 1
    print indent text
}

function end_literal(indent) {
    if (in_literal)
        print indent "```\n"
    in_literal = 0
}
