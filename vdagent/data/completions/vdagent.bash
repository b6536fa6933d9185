# SPDX-License-Identifier: MIT
# Commands and options are what --help says.

_vdagent_help() {
    "$@" --help 2>/dev/null
}

_vdagent_words() {
    _vdagent_help "$@" | sed -nE 's/^  ([a-z][a-z-]+) .*/\1/p'
}

_vdagent() {
    local program=$1 current=$2 previous=$3 words
    if [[ ${program##*/} == vdagent ]]; then
        if ((COMP_CWORD == 1)); then
            words=$(_vdagent_words "$program")
            mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$current")
            return
        fi
        set -- "$program" "${COMP_WORDS[1]}"
    else
        set -- "$program"
    fi
    case $previous in
    --init) words="systemd openrc runit s6 dinit" ;;
    -[sSuf] | -*-path | -*-socket | -*-device | -*-dir | --root | --config | --record | --read) words= ;;
    *)
        words=$(_vdagent_help "$@" | sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p')
        ((COMP_CWORD == 2)) && words+=" $(_vdagent_words "$@")"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _vdagent vdagent spice-vdagent spice-vdagentd
