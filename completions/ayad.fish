# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ayad_global_optspecs
    string join \n c/config= listen= backend= control= state-dir= workers= log-level= stop-on-eof h/help V/version
end

function __fish_ayad_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ayad_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ayad_using_subcommand
    set -l cmd (__fish_ayad_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ayad -n "__fish_ayad_needs_command" -s c -l config -d 'Run with this configuration file' -r -F
complete -c ayad -n "__fish_ayad_needs_command" -l listen -d 'Without a file: accept connections here; repeat for more addresses' -r
complete -c ayad -n "__fish_ayad_needs_command" -l backend -d 'Without a file: send requests here; repeat for more backends' -r
complete -c ayad -n "__fish_ayad_needs_command" -l control -d 'Serve the control API at this socket, whatever the file says' -r -F
complete -c ayad -n "__fish_ayad_needs_command" -l state-dir -d 'Keep the journal in this folder, whatever the file says' -r -F
complete -c ayad -n "__fish_ayad_needs_command" -l workers -d 'Run this many worker threads, whatever the file says [default: one per core]' -r
complete -c ayad -n "__fish_ayad_needs_command" -l log-level -d 'Log events of this level and above' -r -f -a "error\t'Only what needs somebody'
warn\t'Also what may soon'
info\t'Also what changed'
debug\t'Also decisions'
trace\t'Everything'"
complete -c ayad -n "__fish_ayad_needs_command" -l stop-on-eof -d 'Stop as on SIGTERM when standard input ends, so that it never outlives the program that started it'
complete -c ayad -n "__fish_ayad_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ayad -n "__fish_ayad_needs_command" -s V -l version -d 'Print version'
complete -c ayad -n "__fish_ayad_needs_command" -f -a "check" -d 'Check a configuration file and show what it means'
complete -c ayad -n "__fish_ayad_needs_command" -f -a "upgrade" -d 'Have the running daemon hand over to a new process, without a client noticing'
complete -c ayad -n "__fish_ayad_needs_command" -f -a "schema" -d 'Print the JSON Schema of the configuration file'
complete -c ayad -n "__fish_ayad_needs_command" -f -a "completion" -d 'Print completions for a shell'
complete -c ayad -n "__fish_ayad_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ayad -n "__fish_ayad_using_subcommand check" -l format -d 'Print for people or for programs' -r -f -a "human\t'Text with carets'
json\t'One JSON object'"
complete -c ayad -n "__fish_ayad_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ayad -n "__fish_ayad_using_subcommand upgrade" -l socket -d 'Socket of the running daemon' -r -F
complete -c ayad -n "__fish_ayad_using_subcommand upgrade" -l binary -d 'Start this binary instead of the one the daemon was started from' -r
complete -c ayad -n "__fish_ayad_using_subcommand upgrade" -l dry-run -d 'Only try how far the new process gets'
complete -c ayad -n "__fish_ayad_using_subcommand upgrade" -s h -l help -d 'Print help'
complete -c ayad -n "__fish_ayad_using_subcommand schema" -s h -l help -d 'Print help'
complete -c ayad -n "__fish_ayad_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ayad -n "__fish_ayad_using_subcommand help; and not __fish_seen_subcommand_from check upgrade schema completion help" -f -a "check" -d 'Check a configuration file and show what it means'
complete -c ayad -n "__fish_ayad_using_subcommand help; and not __fish_seen_subcommand_from check upgrade schema completion help" -f -a "upgrade" -d 'Have the running daemon hand over to a new process, without a client noticing'
complete -c ayad -n "__fish_ayad_using_subcommand help; and not __fish_seen_subcommand_from check upgrade schema completion help" -f -a "schema" -d 'Print the JSON Schema of the configuration file'
complete -c ayad -n "__fish_ayad_using_subcommand help; and not __fish_seen_subcommand_from check upgrade schema completion help" -f -a "completion" -d 'Print completions for a shell'
complete -c ayad -n "__fish_ayad_using_subcommand help; and not __fish_seen_subcommand_from check upgrade schema completion help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
