# SPDX-License-Identifier: MIT
# Completion of hark for bash. The program itself knows what fits: hark help --complete.

_hark() {
    # Split at blanks alone: COMP_WORDS is cut at ":" and "=" as well.
    local -a words
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:COMP_POINT-1:1} == [[:blank:]] ]] && words+=('')
    local typed=${words[-1]} cut='' candidate
    # Where readline cuts a word, it puts in only what follows the cut.
    [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && cut=${typed%"${typed##*:}"}
    [[ $COMP_WORDBREAKS == *=* && ${typed#"$cut"} == *=* ]] && cut=${typed%"${typed##*=}"}

    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        case $candidate in
        :files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${typed#"$cut"}") && compopt -o filenames ;;
        :folders) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "${typed#"$cut"}") && compopt -o filenames ;;
        :command) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$typed") ;;
        *) COMPREPLY+=("${candidate#"$cut"}") ;;
        esac
    done < <("${words[0]/#\~/$HOME}" help --complete "${words[@]:1}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
    return 0
}

complete -F _hark hark
