# Bash completion of blkrewind. Names of snapshots are read from the store, if possible.

_blkrewind_snapshots() {
  blkrewind "${store[@]}" --json list 2>/dev/null |
    grep -o '"snapshot_id":"s-[^"]*","name":\("[^"]*"\|null\)' |
    sed -e 's/"snapshot_id":"\([^"]*\)","name":/\1 /' -e 's/null$//' -e 's/"//g' |
    tr ' ' '\n'
  echo latest
}

_blkrewind_instances() {
  blkrewind "${store[@]}" --json instance show 2>/dev/null |
    grep -o '"instance_id":"[^"]*"' | sed -e 's/.*:"//' -e 's/"$//'
}

_blkrewind_devices() {
  lsblk -dnpo NAME 2>/dev/null
}

_blkrewind() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="snapshot list diff delete rollback undo resume clone export import mount open close verify store disk instance track thaw serve"
  local words="" command="" sub="" position=0 i
  local -a store=()

  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --store) store=(--store "${COMP_WORDS[++i]}") ;;
      --name | --description | --chunk-size | --created-at | --instance | --reason | --expires-at | \
        --arrears | --source | --change-source | --verify-after | --range | --of | --partition | --path | --to | \
        --freeze-limit | --deadline | --max-passes | --hook) ((i++)) ;;
      --listen | --access-key-file | --region | --tls-cert | --tls-key | --workers | --max-waiting | \
        --max-connections | --grace) ((i++)) ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command=${COMP_WORDS[i]}
        elif [[ -z $sub && $command =~ ^(store|disk|instance|track)$ ]]; then
          sub=${COMP_WORDS[i]}
        else
          ((position++))
        fi
        ;;
    esac
  done

  case $previous in
    --store)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --chunk-size) words="4KiB 8KiB 16KiB 32KiB 64KiB 128KiB 256KiB 512KiB 1MiB" ;;
    --instance) words=$(_blkrewind_instances) ;;
    --reason) words="security financial" ;;
    --arrears) words="yes no" ;;
    --expires-at) words="never" ;;
    --source) words="auto bitmap extents" ;;
    --change-source) words="auto scan bitmap extents" ;;
    --verify-after) words="none written all" ;;
    --of) words=$(_blkrewind_devices) ;;
    --access-key-file | --tls-cert | --tls-key | --to | --hook)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --name | --description | --created-at | --range | --partition | --path | --listen | --region | --workers | \
      --max-waiting | --freeze-limit | --deadline | --max-passes | \
      --max-connections | --grace) return ;;
  esac
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    return
  fi

  if [[ $current == -* ]]; then
    words="--store --json --quiet --verbose --help"
    case "$command $sub" in
      " ") words+=" --version" ;;
      "snapshot ") words+=" --name --description --chunk-size --change-source --raw --online --offline
        --freeze-limit --deadline --max-passes --hook" ;;
      "diff ") words+=" --files --partition" ;;
      "delete " | "verify ") words+=" --of" ;;
      "export ") words+=" --of --range" ;;
      "import ") words+=" --name --description --created-at --chunk-size --raw" ;;
      "rollback ") words+=" --dry-run --no-undo --change-source --verify-after --paranoid" ;;
      "undo " | "resume ") words+=" --verify-after" ;;
      "clone ") words+=" --of --name --no-undo --raw --verify-after" ;;
      "open ") words+=" --of --partition --path --to" ;;
      "close ") words+=" --all" ;;
      "mount ") words+=" --foreground --allow-other" ;;
      "track start") words+=" --source --chunk-size --raw" ;;
      "track list") words+=" --all" ;;
      "track prune") words+=" --dry-run" ;;
      "disk register") words+=" --chunk-size --raw --new" ;;
      "disk attach") words+=" --instance" ;;
      "disk forget") words+=" --with-snapshots" ;;
      "instance create") words+=" --name" ;;
      "instance lock" | "instance unlock") words+=" --reason" ;;
      "instance set") words+=" --name --expires-at --arrears" ;;
      "serve ")
        words+=" --listen --access-key-file --region --tls-cert --tls-key --workers --max-waiting"
        words+=" --max-connections --grace"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    return
  fi

  case "$command $sub" in
    " ") words=$commands ;;
    "store ") words="init info gc upgrade" ;;
    "serve " | "thaw ") ;;
    "open ")
      if ((position == 0)); then
        words=$(_blkrewind_snapshots)
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
      fi
      ;;
    "close ")
      words="$(_blkrewind_snapshots) $(compgen -G '/run/blkrewind/open/*' || true)"
      ;;
    "mount ")
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    "disk ") words="register attach detach show forget adopt" ;;
    "track ") words="start stop status list prune" ;;
    "instance ") words="create start stop lock unlock set show delete" ;;
    "verify " | "delete ") words=$(_blkrewind_snapshots) ;;
    "instance create" | "track list" | "track prune") ;;
    "instance "*) words=$(_blkrewind_instances) ;;
    "export ") if ((position == 0)); then words=$(_blkrewind_snapshots); fi ;;
    "clone ")
      if ((position == 0)); then words=$(_blkrewind_snapshots); else words=$(_blkrewind_devices); fi
      ;;
    "diff " | "rollback ")
      if ((position == 0)); then words=$(_blkrewind_devices); else words=$(_blkrewind_snapshots); fi
      ;;
    *) words=$(_blkrewind_devices) ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  # Devices and image files are completed as file names.
  case "$command" in
    snapshot | list | diff | rollback | undo | resume | clone | disk | track | export | import)
      local -a files
      mapfile -t files < <(compgen -f -- "$current")
      COMPREPLY+=("${files[@]}")
      ;;
  esac
}

complete -F _blkrewind blkrewind
