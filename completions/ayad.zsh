#compdef ayad

autoload -U is-at-least

_ayad() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'(--listen --backend)-c+[Run with this configuration file]:FILE:_files' \
'(--listen --backend)--config=[Run with this configuration file]:FILE:_files' \
'*--listen=[Without a file\: accept connections here; repeat for more addresses]:IP:PORT:_default' \
'*--backend=[Without a file\: send requests here; repeat for more backends]:HOST:PORT:_default' \
'--control=[Serve the control API at this socket, whatever the file says]:PATH:_files' \
'--state-dir=[Keep the journal in this folder, whatever the file says]:DIR:_files' \
'--workers=[Run this many worker threads, whatever the file says \[default\: one per core\]]:N:_default' \
'--log-level=[Log events of this level and above]:LEVEL:((error\:"Only what needs somebody"
warn\:"Also what may soon"
info\:"Also what changed"
debug\:"Also decisions"
trace\:"Everything"))' \
'--stop-on-eof[Stop as on SIGTERM when standard input ends, so that it never outlives the program that started it]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_ayad_commands" \
"*::: :->ayad" \
&& ret=0
    case $state in
    (ayad)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ayad-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'--format=[Print for people or for programs]:FORMAT:((human\:"Text with carets"
json\:"One JSON object"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':file -- Configuration file:_files' \
&& ret=0
;;
(upgrade)
_arguments "${_arguments_options[@]}" : \
'--socket=[Socket of the running daemon]:PATH:_files' \
'--binary=[Start this binary instead of the one the daemon was started from]:PATH:_default' \
'--dry-run[Only try how far the new process gets]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(completion)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- Shell to complete in:((bash\:"Bash"
zsh\:"Zsh"
fish\:"Fish"))' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_ayad__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ayad-help-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(upgrade)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completion)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_ayad_commands] )) ||
_ayad_commands() {
    local commands; commands=(
'check:Check a configuration file and show what it means' \
'upgrade:Have the running daemon hand over to a new process, without a client noticing' \
'schema:Print the JSON Schema of the configuration file' \
'completion:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'ayad commands' commands "$@"
}
(( $+functions[_ayad__subcmd__check_commands] )) ||
_ayad__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ayad check commands' commands "$@"
}
(( $+functions[_ayad__subcmd__completion_commands] )) ||
_ayad__subcmd__completion_commands() {
    local commands; commands=()
    _describe -t commands 'ayad completion commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help_commands] )) ||
_ayad__subcmd__help_commands() {
    local commands; commands=(
'check:Check a configuration file and show what it means' \
'upgrade:Have the running daemon hand over to a new process, without a client noticing' \
'schema:Print the JSON Schema of the configuration file' \
'completion:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'ayad help commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help__subcmd__check_commands] )) ||
_ayad__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ayad help check commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help__subcmd__completion_commands] )) ||
_ayad__subcmd__help__subcmd__completion_commands() {
    local commands; commands=()
    _describe -t commands 'ayad help completion commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help__subcmd__help_commands] )) ||
_ayad__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'ayad help help commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help__subcmd__schema_commands] )) ||
_ayad__subcmd__help__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'ayad help schema commands' commands "$@"
}
(( $+functions[_ayad__subcmd__help__subcmd__upgrade_commands] )) ||
_ayad__subcmd__help__subcmd__upgrade_commands() {
    local commands; commands=()
    _describe -t commands 'ayad help upgrade commands' commands "$@"
}
(( $+functions[_ayad__subcmd__schema_commands] )) ||
_ayad__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'ayad schema commands' commands "$@"
}
(( $+functions[_ayad__subcmd__upgrade_commands] )) ||
_ayad__subcmd__upgrade_commands() {
    local commands; commands=()
    _describe -t commands 'ayad upgrade commands' commands "$@"
}

if [ "$funcstack[1]" = "_ayad" ]; then
    _ayad "$@"
else
    compdef _ayad ayad
fi
