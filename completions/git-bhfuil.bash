# Part of git-bhfuil; git bhfuil install puts it in place.
#
# Completion for bash: under git's own for "git bhfuil ...", which loads this file by its name (git-bhfuil, in a folder where
# bash-completion looks), and alone for "git-bhfuil ...". What may be typed is for the program to say; this only shows it.

# Offers what the command line "$2 ..." prints, of which $1 is the word to be completed.
__git_bhfuil_offer ()
{
	local cur="$1" strip="" breaks="${COMP_WORDBREAKS//[^=:]/}" word meaning i
	local -a words=() meanings=()
	shift
	# Readline replaces what follows the last of these.
	if [ -n "$breaks" ]; then
		strip="${cur%"${cur##*[$breaks]}"}"
	fi
	COMPREPLY=()
	while IFS=$'\t' read -r word meaning; do
		case "$word" in
		:files|:folders)
			local kind=-f stem="$meaning" path
			[ "$word" = :folders ] && kind=-d
			while IFS= read -r path; do
				path="$stem$path"
				COMPREPLY+=("${path#"$strip"}")
				compopt -o filenames +o nospace 2>/dev/null
			done < <(compgen $kind -- "${cur#"$stem"}")
			;;
		*=)
			words+=("${word#"$strip"}")
			meanings+=("$meaning")
			;;
		*)
			words+=("${word#"$strip"} ")
			meanings+=("$meaning")
			;;
		esac
	done < <("$@" 2>/dev/null)
	# Where a list is all that is wanted, it says what the words mean.
	if [ "${COMP_TYPE-}" = 63 ] && [ "${#words[@]}" -gt 1 ]; then
		local width=0
		for word in "${words[@]}"; do
			[ "${#word}" -gt "$width" ] && width=${#word}
		done
		for i in "${!words[@]}"; do
			printf -v word '%-*s %s' "$width" "${words[i]}" "${meanings[i]:+(${meanings[i]})}"
			words[i]="${word:0:${COLUMNS:-80}-1}"
		done
	fi
	COMPREPLY+=("${words[@]}")
}

# Called by git's completion, whose words, cword and cur these are.
_git_bhfuil ()
{
	local i=${__git_cmd_idx-1}
	while [ "$i" -lt "$cword" ] && [ "${words[i]}" != bhfuil ]; do
		i=$((i + 1))
	done
	__git_bhfuil_offer "$cur" git ${__git_C_args:+"${__git_C_args[@]}"} ${__git_dir:+--git-dir="$__git_dir"} \
		bhfuil complete -- "${words[@]:i+1:cword-i-1}" "$cur"
}

# Alone. The words as bash counts them are broken at "=" and ":".
__git_bhfuil_main ()
{
	local -a words
	read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
	case "${COMP_LINE:0:COMP_POINT}" in
	*[[:space:]]) words+=("") ;;
	esac
	__git_bhfuil_offer "${words[-1]}" "${words[0]}" complete -- "${words[@]:1}"
}

complete -o nospace -F __git_bhfuil_main git-bhfuil
