#compdef vdagent spice-vdagent spice-vdagentd
# SPDX-License-Identifier: MIT
# Commands and options are what --help says.

local program=$words[1]
local -a found asked
asked=($program)
if [[ ${program:t} == vdagent ]]; then
    if (( CURRENT == 2 )); then
        found=(${(f)"$($program --help 2>/dev/null | sed -nE 's/^  ([a-z]+) +(.*)/\1:\2/p')"})
        _describe command found
        return
    fi
    asked+=$words[2]
    if (( CURRENT == 3 )); then
        found=(${(f)"$($asked --help 2>/dev/null | sed -nE 's/^  ([a-z][a-z-]+) +(.*)/\1:\2/p')"})
        (( $#found )) && _describe word found
    fi
fi
found=(${(f)"$($asked --help 2>/dev/null | sed -nE 's/^  (-., |    )(--[a-z-]+)[^ ]* +(.*)/\2:\3/p')"})
_describe -o option found
_files
