#!/usr/bin/env bash
# Checks that every command and option in --help is in a man page, and is completed by bash.
#
#   tests/checks/documented.sh PROGRAM
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1
# shellcheck source=cli/completion/blkrewind.bash
. cli/completion/blkrewind.bash
blkrewind() { :; }  # for a completion that lists snapshots; there are none

missing=0
lacks() { printf '%s lacks %s\n' "$1" "$2"; missing=1; }

# completes WORDS... LAST: is LAST among what follows WORDS?
completes() {
  COMP_WORDS=(blkrewind "${@:1:$#-1}" "$([[ ${!#} = -* ]] && echo -)")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _blkrewind
  printf '%s\n' "${COMPREPLY[@]}" | grep -xF -e "${!#}" >/dev/null
}

look_at() { # COMMAND...
  local help option sub page=docs/man/blkrewind.8.in
  local -a options subs
  help=$("$program" "$@" --help)
  if [ "${1:-}" = serve ]; then page=docs/man/blkrewind-serve.8.in; fi
  mapfile -t options < <(sed -nE 's/^  (-[a-z],)?(--[a-z-]+).*/\2/p' <<<"$help")
  for option in "${options[@]}"; do
    cat "$page" docs/man/blkrewind.8.in | grep -E "(Fl|,) ${option#-}( |$)" >/dev/null || lacks "$page" "$* $option"
    completes "$@" "$option" || lacks "the completion" "$* $option"
  done
  mapfile -t subs < <(sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$help")
  for sub in "${subs[@]}"; do
    grep -qE "^\.It Cm ${*:+$* }$sub( |\$)" "$page" || lacks "$page" "$* $sub"
    completes "$@" "$sub" || lacks "the completion" "$* $sub"
    look_at "$@" "$sub"
  done
}
look_at
exit "$missing"
