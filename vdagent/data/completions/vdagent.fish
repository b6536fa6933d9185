# SPDX-License-Identifier: MIT
function __vdagent_is
    set -l words (commandline -opc)
    switch (path basename $words[1] 2>/dev/null; or basename $words[1])
        case spice-vdagentd
            test $argv[1] = daemon
        case spice-vdagent
            test $argv[1] = session
        case '*'
            test (count $words) -gt 1; and test $words[2] = $argv[1]
    end
end
for row in 'daemon:the system daemon' 'session:the session agent' 'install:make this system start it' 'uninstall:undo install' 'lab:a real QEMU and spice-server'
    set -l pair (string split : $row)
    complete -c vdagent -f -n '__fish_is_nth_token 1' -a $pair[1] -d $pair[2]
end
complete -c vdagent -l version -d 'print the version'
complete -c vdagent -s h -l help -d 'list the options'
for program in vdagent spice-vdagentd
    complete -c $program -n '__vdagent_is daemon' -s d -l debug -d 'log what happens'
    complete -c $program -n '__vdagent_is daemon' -s s -l virtio-serial-port-path -rF -d 'port to the host'
    complete -c $program -n '__vdagent_is daemon' -s S -l vdagentd-socket -rF -d 'socket for session agents'
    complete -c $program -n '__vdagent_is daemon' -s u -l uinput-device -rF -d 'uinput node'
    complete -c $program -n '__vdagent_is daemon' -s f -l fake-uinput -d 'write events only'
    complete -c $program -n '__vdagent_is daemon' -s x -l foreground -d 'stay attached'
    complete -c $program -n '__vdagent_is daemon' -s o -l one-session -d 'exit when the active session ends'
    complete -c $program -n '__vdagent_is daemon' -s X -l disable-session-integration -d 'do not ask logind'
end
for program in vdagent spice-vdagent
    complete -c $program -n '__vdagent_is session' -s d -l debug -d 'log what happens'
    complete -c $program -n '__vdagent_is session' -s s -l virtio-serial-port-path -rF -d 'port to the host'
    complete -c $program -n '__vdagent_is session' -s S -l vdagentd-socket -rF -d 'socket of the daemon'
    complete -c $program -n '__vdagent_is session' -s x -l foreground -d 'stay attached'
    complete -c $program -n '__vdagent_is session' -s f -l file-xfer-save-dir -rF -d 'where received files go'
    complete -c $program -n '__vdagent_is session' -s o -l file-xfer-open-dir -xa '0 1' -d 'open it after a transfer'
    complete -c $program -n '__vdagent_is session' -l no-port-check -d 'start also where there is no port'
    complete -c $program -n '__vdagent_is session' -l no-follow -d 'leave the size to the desktop'
    complete -c $program -n '__vdagent_is session' -l display -x -d 'X display'
end
complete -c vdagent -n '__vdagent_is install' -l root -xa '(__fish_complete_directories)' -d 'system to work on'
complete -c vdagent -n '__vdagent_is install' -l init -xa 'systemd openrc runit s6 dinit' -d 'also for'
complete -c vdagent -n '__vdagent_is install' -l distribution -d 'files of a package'
complete -c vdagent -n '__vdagent_is uninstall' -l root -xa '(__fish_complete_directories)' -d 'system to work on'
