# SPDX-License-Identifier: MIT
# Completion of hark for fish. The program itself knows what fits: hark help --complete.

function __hark_complete
    set -l words (commandline --cut-at-cursor --tokenize --current-process)
    set -l typed (commandline --cut-at-cursor --current-token)
    for line in ($words[1] help --complete $words[2..-1] "$typed" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$typed"
            case :folders
                __fish_complete_directories "$typed"
            case :command
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end

complete --command hark --no-files --arguments '(__hark_complete)'
