# Part of git-bhfuil; git bhfuil install puts it in place.
#
# Completion for fish of "git bhfuil ...", to be put where fish reads configuration: fish 3.6 doesn't ask a command of its own what follows
# "git", and later ones don't hand on the folder of "git -C <path>".

function __git_bhfuil_under_git
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l place (contains --index -- bhfuil $words); or return
    # What shows it is read with the completion of the program.
    functions --query __git_bhfuil_offer; or complete --do-complete 'git-bhfuil --version' >/dev/null
    __git_bhfuil_offer $words[1..$place] complete -- $words[(math $place + 1)..]
end

complete --command git --condition '__fish_git_using_command bhfuil' --no-files --keep-order --arguments '(__git_bhfuil_under_git)'
