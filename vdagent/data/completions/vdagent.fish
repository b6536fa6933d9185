# SPDX-License-Identifier: MIT
# Commands and options are what --help says.
function __vdagent_commands
    vdagent --help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.*)' '$1\t$2'
end
function __vdagent_words
    set -l asked (commandline -opc)
    vdagent $asked[2] --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]+) +(.*)' '$1\t$2'
end
function __vdagent_wants_word
    test (count (commandline -opc)) -eq 2
end
function __vdagent_options
    set -l asked (commandline -opc)
    if string match -q '*spice-vdagent*' $asked[1]
        set asked $asked[1]
    else
        set asked $asked[1..2]
    end
    command $asked --help 2>/dev/null | string replace -rf '^  (?:-., |    )(--[a-z-]+)\S* +(.*)' '$1\t$2'
end
function __vdagent_wants_command
    test (count (commandline -opc)) -eq 1
end
complete -c vdagent -f -n __vdagent_wants_command -a '(__vdagent_commands)'
complete -c vdagent -n 'not __vdagent_wants_command' -a '(__vdagent_options)'
complete -c vdagent -n __vdagent_wants_word -a '(__vdagent_words)'
complete -c spice-vdagent -a '(__vdagent_options)'
complete -c spice-vdagentd -a '(__vdagent_options)'
