#compdef vdagent spice-vdagent spice-vdagentd
# SPDX-License-Identifier: MIT

local -a daemon session both
both=(
    '*'{-d,--debug}'[log what happens]'
    '(-s --virtio-serial-port-path)'{-s,--virtio-serial-port-path=}'[port to the host]:path:_files'
    '(-S --vdagentd-socket)'{-S,--vdagentd-socket=}'[socket of the daemon]:path:_files'
    '(-x --foreground)'{-x,--foreground}'[stay attached, log to stderr]'
    '--version[print the version]'
    '(-h --help)'{-h,--help}'[list the options]'
)
daemon=($both
    '(-u --uinput-device)'{-u,--uinput-device=}'[uinput node]:path:_files'
    '(-f --fake-uinput)'{-f,--fake-uinput}'[write events only]'
    '(-o --one-session)'{-o,--one-session}'[exit when the active session ends]'
    '(-X --disable-session-integration)'{-X,--disable-session-integration}'[do not ask logind]'
)
session=($both
    '(-f --file-xfer-save-dir)'{-f,--file-xfer-save-dir=}'[where received files go]:directory:_directories'
    '(-o --file-xfer-open-dir)'{-o,--file-xfer-open-dir=}'[open the directory after a transfer]:yes or no:(0 1)'
    '--no-port-check[start also where there is no port]'
    '--no-follow[leave the size to the desktop]'
    '--display=[X display]:display:'
)

case $service in
    spice-vdagentd) _arguments $daemon; return ;;
    spice-vdagent) _arguments $session; return ;;
esac
if (( CURRENT == 2 )); then
    _values command \
        'daemon[the system daemon]' 'session[the session agent]' \
        'install[make this system start it]' 'uninstall[undo install]' \
        'lab[a real QEMU and spice-server]' '--help' '--version'
    return
fi
local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
    daemon) _arguments $daemon ;;
    session) _arguments $session ;;
    install) _arguments '--root=[system to work on]:directory:_directories' \
        '--init=[also for]:init:(systemd openrc runit s6 dinit)' '--distribution[files of a package]' '--help' ;;
    uninstall) _arguments '--root=[system to work on]:directory:_directories' '--help' ;;
    *) _arguments '--help' ;;
esac
