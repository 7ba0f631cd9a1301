/**
 * `rxsteer completion bash|zsh|fish`: the script by which a shell asks this program what may come next.
 *
 * Promise: the script only asks (`rxsteer __complete WORD…`, see `complete.ts`); it knows no option, so that it is right
 * for every version. bash's own breaks at `:` and `=` do not divide policies and ports.
 */
import type { Command } from 'commander';
import { unknownName } from '../errors.js';
import { print } from './output.js';

const BASH = `# rxsteer completion for bash: eval "$(rxsteer completion bash)"
_rxsteer() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} cur value
  local -a words
  # Words as the shell divides them, without its breaks at : and =; an open quote is left out.
  read -ra words <<< "\${line//[\\"\\']/}"
  if [[ -z $line || $line == *[[:space:]] ]]; then words+=(""); fi
  cur=\${words[\${#words[@]}-1]}
  # What bash takes for finished words stays as it is.
  local done=""
  if [[ $cur == *[:=]* ]]; then done=\${cur%"\${cur##*[:=]}"}; fi
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    if [[ $value == :files ]]; then compopt -o default; continue; fi
    [[ $value == *[=:,] ]] && compopt -o nospace
    COMPREPLY+=("\${value#"$done"}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _rxsteer rxsteer`;

const ZSH = `#compdef rxsteer
# rxsteer completion for zsh: eval "$(rxsteer completion zsh)"
_rxsteer() {
  local value text
  local -a values texts open open_texts
  while IFS=$'\\t' read -r value text; do
    if [[ $value == :files ]]; then _files; continue; fi
    if [[ $value == *[=:,] ]]; then open+=("$value"); open_texts+=("$value\${text:+  -- $text}")
    else values+=("$value"); texts+=("$value\${text:+  -- $text}"); fi
  done < <("\${words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( \${#open} )) && compadd -l -S '' -d open_texts -a open
  (( \${#values} )) && compadd -l -d texts -a values
  return 0
}
compdef _rxsteer rxsteer`;

const FISH = `# rxsteer completion for fish: rxsteer completion fish | source
function __rxsteer_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c rxsteer -f -a '(__rxsteer_complete)'`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
/** Shells that are known. */
export const SHELLS = Object.keys(SCRIPTS);

export function register(program: Command): void {
  program
    .command('completion')
    .description('completion for a shell: bash, zsh or fish')
    .argument('<shell>', SHELLS.join(', '))
    .allowExcessArguments(false)
    .action((shell: string) => {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (script === undefined) throw unknownName('shell', shell, SHELLS);
      print(script);
    });
}
