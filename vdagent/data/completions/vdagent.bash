# SPDX-License-Identifier: MIT
_vdagent() {
    local current=$2 previous=$3 command=${1##*/} words
    case $command in
    spice-vdagentd) command=daemon ;;
    spice-vdagent) command=session ;;
    *) command=${COMP_WORDS[1]} ;;
    esac
    if [[ ${1##*/} == vdagent && $COMP_CWORD == 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "daemon session install uninstall lab --help --version" -- "$current")
        return
    fi
    case $previous in
    -s | -S | -u | --virtio-serial-port-path | --vdagentd-socket | --uinput-device)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --file-xfer-save-dir | --root)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --init)
        mapfile -t COMPREPLY < <(compgen -W "systemd openrc runit s6 dinit" -- "$current")
        return
        ;;
    esac
    case $command in
    daemon)
        words="--debug --virtio-serial-port-path --vdagentd-socket --uinput-device --fake-uinput --foreground
            --one-session --disable-session-integration --version --help" ;;
    session)
        words="--debug --virtio-serial-port-path --vdagentd-socket --foreground --file-xfer-save-dir
            --file-xfer-open-dir --no-port-check --no-follow --display --version --help" ;;
    install) words="--root --init --distribution --help" ;;
    uninstall) words="--root --help" ;;
    *) words=--help ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _vdagent vdagent spice-vdagent spice-vdagentd
