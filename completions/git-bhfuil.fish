# Part of git-bhfuil; git bhfuil install puts it in place.
#
# Completion for fish of "git-bhfuil ...", to be put where completions are. What may be typed is for the program to say; this only shows
# it. conf.d/git-bhfuil.fish is for "git bhfuil ...".

# Offers what the command $argv prints, to which the word that is being completed is handed last.
function __git_bhfuil_offer
    set -l current (commandline --current-token --cut-at-cursor)
    for line in (command $argv $current 2>/dev/null)
        set -l fields (string split --max 1 \t -- $line)
        switch $fields[1]
            case :files :folders
                set -l typed (string sub --start (math (string length -- "$fields[2]") + 1) -- $current)
                for path in (__fish_complete_path "$typed")
                    set -l name (string split --max 1 \t -- $path)[1]
                    if test $fields[1] = :files; or string match --quiet -- '*/' $name
                        echo -- $fields[2]$path
                    end
                end
            case '*'
                echo -- $line
        end
    end
end

function __git_bhfuil_alone
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    __git_bhfuil_offer $words[1] complete -- $words[2..]
end

complete --command git-bhfuil --no-files --keep-order --arguments '(__git_bhfuil_alone)'
