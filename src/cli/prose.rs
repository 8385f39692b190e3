//! What help and manual pages say of a command beyond what its options say themselves: what it is in a line, examples, exit codes, and
//! what else to know.
//!
//! Owns words alone. In them `code` stands between backticks, and what is to be filled in between angle brackets. Every command has an
//! entry, every example is a command line that is understood: tests see to both.

use crate::error::exit;

/// What there is to say of one command.
#[derive(Debug)]
pub(super) struct Prose {
    /// Its name with those of the commands that it belongs to before it: `repo add`.
    pub(super) command: &'static str,
    /// What it does, in half a line.
    pub(super) brief: &'static str,
    /// What one wants, and the command line for it; the first is shown by `-h`.
    pub(super) examples: &'static [Example],
    /// Paragraphs that follow the description on its page.
    pub(super) more: &'static [&'static str],
    /// What exit codes mean that other commands don't have, or have for something else.
    pub(super) exits: &'static [(u8, &'static str)],
}

/// What one wants, and the command line for it.
pub(super) type Example = (&'static str, &'static str);

/// The commands by what a user wants; those that are in none are for programs.
pub(super) const GROUPS: &[(&str, &[&str])] = &[
    ("Ask", &["where", "missing", "followups", "matrix", "verify", "explain", "dismiss", "osv"]),
    ("Stream", &["scan", "watch", "enrich", "export", "schema", "mcp"]),
    ("Repositories", &["repo"]),
    ("Keep", &["cache", "task", "status", "config", "install"]),
];

/// What the program is for, before its commands.
pub(super) const PURPOSE: &str = "Where is this change? Name a commit, an issue such as CVE-2024-1234, a Change-Id or words of its message, \
     and see which branches, tags and releases have it, as itself or as a pick, and which lack it.";

/// What people come for.
pub(super) const FIRST: &[Example] = &[
    ("where a fix is", "git bhfuil CVE-2024-1234"),
    ("where a commit is, and its picks", "git bhfuil HEAD~3"),
    ("what a branch lacks", "git bhfuil missing stable/1.0"),
    ("every commit as JSON", "git bhfuil scan | jq ."),
];

const NO_MORE: &[&str] = &[];
/// The exit codes that every command has.
const NO_EXITS: &[(u8, &str)] = &[];

const PARTIAL_REPOSITORY: (u8, &str) = (3, "Something could not be read; an `error` event names it.");
const IS_MISSING: (u8, &str) = (1, "With `--exit-code`: something is missing.");
const CANT_BE_KNOWN: (u8, &str) =
    (3, "Something could not be read, or with `--exit-code` history is cut off where it counts.");

/// All of them, in the order of the commands.
pub(super) const PROSE: &[Prose] = &[
    Prose {
        command: "cache",
        brief: "look after what is kept of repositories",
        examples: &[
            ("what is kept of this repository", "git bhfuil cache info"),
            ("all of it", "git bhfuil cache info --all"),
            ("begin anew", "git bhfuil cache clear"),
        ],
        more: &[
            "There is one SQLite file for each repository, worktrees and all, in `$XDG_CACHE_HOME/git-bhfuil`, or in the folder that \
             `GIT_BHFUIL_CACHE` names. It is brought up to date by whoever needs it, and who reads one that is removed goes on and ends \
             right. A damaged one is set aside and built anew.",
            "What `gc` does is done by itself, a little at a time, once a day at most.",
        ],
        exits: &[(1, "`verify` found that something differs from what git says.")],
    },
    Prose {
        command: "cache info",
        brief: "tell what is kept",
        examples: &[("what is kept of this repository", "git bhfuil cache info")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "cache verify",
        brief: "compare it with git",
        examples: &[("compare everything with git", "git bhfuil cache verify --full")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "cache gc",
        brief: "drop what is of no use",
        examples: &[("drop what is of no use", "git bhfuil cache gc")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "cache clear",
        brief: "remove it",
        examples: &[("remove what is kept of one repository", "git bhfuil cache clear --repo=nova")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "cache views",
        brief: "print views of it for SQLite",
        examples: &[("a script to be run before a question", "git bhfuil cache views")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config",
        brief: "show and change settings",
        examples: &[
            ("what holds here, and why", "git bhfuil config list"),
            ("say which branches are release lines", "git bhfuil config set bhfuil.stable 'maint-*'"),
            ("read four repositories at a time", "git bhfuil config set jobs 4"),
            ("whether all settings are good", "git bhfuil config validate"),
        ],
        more: &["Every setting is described in git-bhfuil-config(5)."],
        exits: &[(1, "`get` has no value, `unset` nothing to take out, or `validate` found something wrong.")],
    },
    Prose {
        command: "config list",
        brief: "list what holds",
        examples: &[("what holds for one repository", "git bhfuil config list --repo=nova")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config get",
        brief: "tell one setting",
        examples: &[("how much room caches may take", "git bhfuil config get cacheSize")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config set",
        brief: "set one",
        examples: &[("let caches take four gigabytes", "git bhfuil config set cacheSize 4g")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config unset",
        brief: "take one out",
        examples: &[("back to the default", "git bhfuil config unset cacheSize")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config validate",
        brief: "tell what is wrong",
        examples: &[("whether all settings are good", "git bhfuil config validate")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config init",
        brief: "write a new file",
        examples: &[("a file with every setting in it, commented out", "git bhfuil config init")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "config path",
        brief: "print where the file is",
        examples: &[("edit the file", "$EDITOR \"$(git bhfuil config path)\"")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "dismiss",
        brief: "note that a change need not be ported",
        examples: &[
            (
                "a commit that one branch need not have",
                "git bhfuil dismiss 1a2b3c4 --on=stable/1.0 --because='the code is not there'",
            ),
            ("nor any of these", "git bhfuil dismiss 1a2b3c4 --on='stable/1.*' --because='feature'"),
        ],
        more: &[
            "The file has one line for each change: its commit or Change-Id, the glob, and the reason. It is read from the tip of the \
             branch that changes are taken from, so that everybody has the same; `bhfuil.dismissedFile` names another one.",
        ],
        exits: NO_EXITS,
    },
    Prose {
        command: "explain",
        brief: "tell why two commits match or don't",
        examples: &[
            ("why these are taken for one change", "git bhfuil explain 1a2b3c4 5d6e7f8"),
            (
                "the rungs that hold, and their evidence",
                "git bhfuil explain v1.0 v1.1 --format='%(rung) %(holds) %(evidence)'",
            ),
        ],
        more: NO_MORE,
        exits: &[(1, "The two are not one change.")],
    },
    Prose {
        command: "export",
        brief: "write tables for DuckDB, Spark and the like",
        examples: &[
            ("all registered repositories", "git bhfuil export --all-repos --patch-id --tagged --output=fleet"),
            ("the first of four parts, by itself", "git bhfuil export --all-repos --shard=1/4 --output=fleet/1"),
            ("and what every ref has of a fix", "git bhfuil export --all-repos --output=fleet CVE-2024-1234"),
            ("views for the four parts together", "git bhfuil export --sql=duckdb --output='fleet/*'"),
        ],
        more: &[
            "The tables are `commits`, `refs`, `matches` and `presence`; the latter two are empty without a query. Their columns are the fields of \
             the events, nested as these are, see git-bhfuil-events(5); a field that is `null` there, asked for and not known, is named in the column \
             `unknown`, and `authored_at` and `committed_at` are times. `--format=jsonl` writes the lines of the stream as they are.",
            "A part of a fleet is asked by itself: what only a commit in another part says of a change is not in its `matches` and `presence`. The \
             views of `--sql` join all parts, by patch-id, Change-Id and trailers: `fleet` says which repositories carry the changes in `wanted`, and \
             under which tag first, `carriers` as which commits, `shared_changes` what several have.",
        ],
        exits: &[(1, "A query found nothing."), PARTIAL_REPOSITORY],
    },
    Prose {
        command: "followups",
        brief: "list fixes of fixes that a branch lacks",
        examples: &[
            ("what mends something that the branch has", "git bhfuil followups stable/1.0"),
            ("a check that fails while there is one", "git bhfuil followups --exit-code stable/1.0"),
        ],
        more: NO_MORE,
        exits: &[IS_MISSING, CANT_BE_KNOWN],
    },
    Prose {
        command: "matrix",
        brief: "show which branches have which changes",
        examples: &[
            ("two branches beside main", "git bhfuil matrix --from=main stable/1.0 stable/2.0"),
            ("the same as a table for programs", "git bhfuil matrix stable/1.0 --format='%(change) %(short) %(state)'"),
        ],
        more: NO_MORE,
        exits: &[PARTIAL_REPOSITORY],
    },
    Prose {
        command: "mcp",
        brief: "answer by the Model Context Protocol",
        examples: &[
            ("a server for one repository, as a client starts it", "git bhfuil -C /srv/nova.git mcp"),
            ("whether it answers", "echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}' | git bhfuil mcp"),
        ],
        more: &[
            "A client starts it and speaks first: messages of JSON-RPC, a line each, on standard input and output. Its tools are called \
             `where`, `missing`, `followups` and `explain`, take most of what these commands take as options, and answer with the events \
             that they write, described in git-bhfuil-events(5): 200 of them unless the call says otherwise, and how many were left out. \
             They are about the repository it was started in, or the one that a call names by path or registered name.",
            "Calls run at once, three at a time. One that the client takes back is stopped, and one that asks for it is told of its progress. \
             Nothing is changed in any repository, and no server is asked.",
            "Versions 2024-11-05 to 2026-07-28 of the protocol are spoken, <https://modelcontextprotocol.io/specification>. It ends when \
             its input does and what was asked is answered.",
        ],
        exits: NO_EXITS,
    },
    Prose {
        command: "missing",
        brief: "list what a branch lacks",
        examples: &[
            ("what a branch lacks, oldest first", "git bhfuil missing stable/1.0"),
            ("what authors asked to have there", "git bhfuil missing --requested stable/1.0"),
            ("security fixes, and whether they apply", "git bhfuil missing --security --check stable/1.0"),
            (
                "pick what is surely missing",
                "git bhfuil missing --fixes stable/1.0 --format='%(state) %(id)' | sed -n 's/^missing //p' | xargs -r git cherry-pick -x",
            ),
            ("a check that fails while something is missing", "git bhfuil missing --requested --exit-code stable/1.0"),
        ],
        more: &[
            "The source is the branch that most picks of the target come from, or `--from`. A change is in the target if the target has \
             the commit itself or an equivalent one by the same rules as in git-bhfuil-where(1). What mends something that the target \
             never had is left out, and so is what `git bhfuil dismiss` has noted.",
        ],
        exits: &[IS_MISSING, CANT_BE_KNOWN],
    },
    Prose {
        command: "enrich",
        brief: "tell what trackers know of issues",
        examples: &[
            ("what a CVE is about", "git bhfuil enrich CVE-2024-1234"),
            ("the issues that the last commits name", "git bhfuil scan -n 100 | git bhfuil enrich"),
            ("without asking anybody", "git bhfuil enrich --offline owner/repo#12"),
        ],
        more: &[
            "GitHub, GitLab, Gitea and Forgejo, Launchpad, Bugzilla, Jira, osv.dev and Gerrit are known; `bhfuil.tracker.<name>.*` in \
             git-bhfuil-config(5) tells of others of their kind, and how to log in. A bare number belongs to the tracker that is set, \
             else to where the repository's remotes come from. An answer is fresh for `bhfuil.http.ttl`; then it is asked whether it \
             still holds.",
        ],
        exits: &[
            (1, "No tracker knows any of the issues that were named."),
            (
                3,
                "The stream on standard input was cut off, or with `--strict` a tracker could not be asked or knows no such issue.",
            ),
        ],
    },
    Prose {
        command: "install",
        brief: "put manual, completions and program in place",
        examples: &[
            ("for yourself", "git bhfuil install"),
            ("for everybody", "sudo git bhfuil install --prefix=/usr/local"),
            ("for a package", "DESTDIR=\"$PWD/pkg\" git-bhfuil install --prefix=/usr"),
            ("take it away", "git bhfuil install --uninstall"),
        ],
        more: &[
            "Manual pages go to `share/man`, completions to `share/bash-completion/completions`, `share/zsh/site-functions`, \
             `share/fish/vendor_completions.d` and `share/fish/vendor_conf.d`, the program to `bin`, all under the prefix. Without `--prefix` that is `~/.local`, with \
             `$XDG_DATA_HOME` for `~/.local/share` where that is set; the program stays where it is if it lies in a folder of `PATH`, \
             and where man(1) would not find pages under the prefix, they go beside that folder.",
            "What was written begins with a line that says so, or is the program itself. A file of that name that somebody else has \
             written is left alone, which is an error, and `--uninstall` removes nothing but what this command has put there. With \
             `DESTDIR` in the environment, which needs `--prefix`, all of it goes under that folder.",
            "Zsh looks into the folders of `fpath`. One that has no folder under the prefix in it needs a line in `~/.zshrc`, before \
             `compinit`: the command says which.",
        ],
        exits: &[(3, "Some file could not be written, or is somebody else's; an `error` event names it.")],
    },
    Prose {
        command: "osv",
        brief: "check the commits of advisories' records",
        examples: &[
            ("whether what a record says of commits is so", "git bhfuil osv verify OSV-2024-1.json"),
            ("with the fixes of all branches", "git bhfuil osv complete OSV-2024-1.json"),
        ],
        more: &[
            "A record is JSON in the form of <https://ossf.github.io/osv-schema/>; `-` is standard input. Of it the ranges of the type GIT \
             count whose `repo` is the address of one of the repository's remotes, whatever the protocol; with `--all-ranges` all of them. \
             Nothing is fetched and nobody asked.",
            "A branch or tag is affected if it has a commit of `introduced`, or that is `0`, and no commit of `fixed`, none after that of \
             `last_affected`, and lies before a `limit`, if there is one. A fix that came before an introducer doesn't end what that began.",
            "`verify` tells a `claim` of each thing that a record says: that a commit exists, on a branch or tag; that a fix comes after an \
             introducer, and an introducer before a fix; that each pick of either is named; that the refs affected are those that the record \
             says are; and that `versions` are the tags affected, where they are listed. A `presence` says of each branch and tag whether it \
             has the fix, whether it is `affected`, every pick counted and what was taken back not, and whether the record alone has it so \
             (`recorded`). People are shown no branch or tag of no release line that never had what is wrong.",
            "`complete` adds to each range, behind its last `fixed` event, every commit on a branch or tag that is one change with a `fixed` \
             commit of it, by the same signals that `where` counts; not one that was taken back wherever it is. No other byte of the record \
             is touched, `modified` neither, and a record that is complete comes out as it went in.",
        ],
        exits: &[
            (
                1,
                "`verify` found something in a record that is wrong or missing, or no range of it is about this repository.",
            ),
            (
                3,
                "A record could not be read, or `complete` found a fix missing here, or history is cut off where it counts.",
            ),
        ],
    },
    Prose {
        command: "osv complete",
        brief: "name the fixes of all branches",
        examples: &[
            ("with the fixes of all branches", "git bhfuil osv complete OSV-2024-1.json"),
            ("in the files themselves", "git bhfuil osv complete --in-place OSV-2024-1.json OSV-2024-2.json"),
        ],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "osv verify",
        brief: "tell whether a record is true",
        examples: &[
            ("one record", "git bhfuil osv verify OSV-2024-1.json"),
            (
                "the branches that are affected and shouldn't be, by the record",
                "git bhfuil osv verify OSV-2024-1.json --format=jsonl | jq -r 'select(.affected and (.recorded | not)) | .short'",
            ),
        ],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "repo",
        brief: "register repositories under names",
        examples: &[
            ("register the one you stand in", "git bhfuil repo add ."),
            (
                "clone one, to be asked about",
                "git bhfuil repo add https://opendev.org/openstack/nova --group=openstack",
            ),
            ("ask all of them", "git bhfuil where CVE-2024-1234 --all-repos"),
            ("bring the clones up to date", "git bhfuil repo sync --all"),
        ],
        more: &[
            "Clones are bare, of branches and tags, and lie under `$XDG_DATA_HOME/git-bhfuil/repos`. What is registered is in our own \
             configuration file, see git-bhfuil-config(5).",
        ],
        exits: &[(3, "One of several repositories could not be fetched or read; an `error` event names it.")],
    },
    Prose {
        command: "repo add",
        brief: "register one",
        examples: &[("the one you stand in, with others like it", "git bhfuil repo add . --group=openstack")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "repo list",
        brief: "list them",
        examples: &[("those of a group", "git bhfuil repo list --group=openstack")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "repo show",
        brief: "tell of some",
        examples: &[("where one lies", "git bhfuil repo show nova")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "repo remove",
        brief: "forget some",
        examples: &[("forget one", "git bhfuil repo remove nova")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "repo sync",
        brief: "bring them up to date",
        examples: &[("clone or fetch all, eight at a time", "git bhfuil repo sync --all --jobs=8")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "scan",
        brief: "stream commits with what they say",
        examples: &[
            ("the newest twenty commits", "git bhfuil scan -n 20"),
            (
                "every cherry-pick, and of what",
                "git bhfuil scan --format=jsonl | jq -r '.id as $id | .origins[]? | \"\\($id) \\(.text)\"'",
            ),
            ("what only main has, with its files", "git bhfuil scan --paths stable/2.0..main"),
            ("only what is new since last time", "git bhfuil scan --new=tracker"),
            ("who wrote what", "git bhfuil scan --format='%(author.name)%09%(subject)'"),
        ],
        more: &[
            "Ranges, `--since`, `--until` and paths are git's own, and commits come as `git rev-list` has them; `--author` and `--grep` \
             take the regular expressions of Rust. What is told of a commit is described in git-bhfuil-events(5).",
            "With `--new` a cursor is kept under a name. It moves on when the stream has ended complete, so an aborted run loses nothing. \
             Each commit comes at least once.",
        ],
        exits: &[PARTIAL_REPOSITORY],
    },
    Prose {
        command: "schema",
        brief: "print the JSON Schema of the stream",
        examples: &[("the fields of a commit", "git bhfuil schema | jq '.\"$defs\".Commit.properties | keys'")],
        more: &["It is the schema of one line; git-bhfuil-events(5) says the same to people."],
        exits: NO_EXITS,
    },
    Prose {
        command: "status",
        brief: "tell whether all is well",
        examples: &[
            ("whether all is well", "git bhfuil status"),
            ("what is not", "git bhfuil status --format=jsonl | jq 'select(.ok == false)'"),
        ],
        more: &[
            "Disks, git and SQLite, locks, caches, the clock and registered repositories are looked at; what is wrong comes with what to \
             do about it. Operations and errors are those of the last 90 days. Nothing leaves the machine.",
        ],
        exits: &[(1, "Something is to be done.")],
    },
    Prose {
        command: "task",
        brief: "work in the background",
        examples: &[
            ("bring the index up to date", "git bhfuil task start scan"),
            ("ask the trackers ahead, of all repositories", "git bhfuil task start prefetch --all-repos"),
            ("how they stand", "git bhfuil task list"),
        ],
        more: &[
            "A task outlives its terminal and lets others go first. More than `bhfuil.taskLimit` wait for their turn. Of an id the beginning \
             or the end is enough. One whose process dies has failed, with the reason; a result is kept for `bhfuil.taskExpiry`.",
        ],
        exits: &[(1, "`wait`: one of them isn't completed.")],
    },
    Prose {
        command: "task start",
        brief: "start one",
        examples: &[("work out ahead what comparing picks takes", "git bhfuil task start patch-ids")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "task list",
        brief: "list them",
        examples: &[("how they stand", "git bhfuil task list")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "task show",
        brief: "tell of some",
        examples: &[("how one stands", "git bhfuil task show 3f9a")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "task wait",
        brief: "wait for some",
        examples: &[("five minutes at most", "git bhfuil task wait --timeout=5m 3f9a")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "task cancel",
        brief: "stop some",
        examples: &[("stop one", "git bhfuil task cancel 3f9a")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "task clean",
        brief: "forget those that have ended",
        examples: &[("forget those that have ended", "git bhfuil task clean")],
        more: NO_MORE,
        exits: NO_EXITS,
    },
    Prose {
        command: "verify",
        brief: "tell whether trailers are true",
        examples: &[
            ("the picks on a branch", "git bhfuil verify main..stable/1.0"),
            (
                "those that are false, with the reason",
                "git bhfuil verify main..stable/1.0 --format=jsonl | jq -r 'select(.holds == false) | \"\\(.id) \\(.evidence)\"'",
            ),
        ],
        more: NO_MORE,
        exits: &[(1, "A trailer is false."), PARTIAL_REPOSITORY],
    },
    Prose {
        command: "watch",
        brief: "follow repositories as they move",
        examples: &[
            ("what comes, and where it is", "git bhfuil watch --where"),
            ("fetch all clones every quarter of an hour", "git bhfuil watch --all-repos --sync=15m"),
        ],
        more: NO_MORE,
        exits: &[PARTIAL_REPOSITORY, (130, "Ended by Ctrl-C; 143 by SIGTERM. That is how it ends.")],
    },
    Prose {
        command: "where",
        brief: "tell where a change is",
        examples: &[
            ("where the fix of a CVE is", "git bhfuil where CVE-2024-1234"),
            ("a commit, and every pick of it", "git bhfuil where 1a2b3c4"),
            ("by words of its message", "git bhfuil where 'subject:\"use after free\"' path:net/"),
            ("is this diff anywhere already?", "git diff --no-renames | git bhfuil where --patch=-"),
            ("where all of a release is", "git bhfuil where v1.0..v1.1"),
            ("since when each branch has it", "git bhfuil where HEAD --format='%(short) %(state) %(first_tag)'"),
            ("in all repositories that are registered", "git bhfuil where --all-repos CVE-2024-1234"),
        ],
        more: &[
            "Two commits are one change if a trailer of one names the other, if they have the same Change-Id, the same author and author \
             date and enough of the same lines, the same patch-id beside something else, or the same subject and most lines in common: the \
             first of these rungs that holds tells how sure that is. A merge, a revert and a commit of the same branch are not taken for the \
             change. What was reverted is told as reverted, what landed again as reapplied.",
            "The release lines are told by the names of branches and tags (`stable/2025.1`, `v255-stable`, `REL_16_STABLE`, `release-1.x`); \
             where names don't tell, `bhfuil.stable` and `bhfuil.mainline` do.",
            "Without a command a query means `where`: `git bhfuil CVE-2024-1234`.",
        ],
        exits: &[
            (1, "Nothing was found."),
            (3, "Something could not be read, or one of several queries names nothing; an `error` event names it."),
        ],
    },
];

/// What there is to say of `command`; nothing of those that are for programs.
pub(super) fn of(command: &str) -> Option<&'static Prose> {
    PROSE.iter().find(|prose| prose.command == command)
}

/// What else to know of the program.
pub(super) const PROGRAM: &[&str] = &[
    "It answers from a cache for each repository, which it keeps up to date by itself and which can be removed at any time.",
    "On a terminal it writes text for people, paged as git's is, see `bhfuil.pager` in git-bhfuil-config(5); into a pipe or a file \
     JSON Lines, described in git-bhfuil-events(5). `--format=jsonl` and `--format=human` say which, and `--format='%(id) %(subject)'` writes a line of one's own \
     for each event.",
    "Options are written as in gitcli(7): `--opt=<value>` or `--opt <value>`, unique beginnings, single letters in a cluster, `--no-` for \
     the opposite of a switch; of an option that is given twice the last one counts. `git bhfuil help <command>` prints help on the \
     terminal.",
];

/// What the views of a cache promise, before their columns.
pub(super) const VIEWS_PROMISE: &[&str] = &[
    "`git bhfuil cache views` prints SQL that makes temporary views, to be run before a question of one's own. The names and columns below \
     stay, and further ones may come. Nothing is promised of the tables themselves: they change with versions. SQLite 3.40 or newer is needed, \
     and a cache that this version has brought up to date: `git bhfuil scan --no-commits` does that.",
    "Open the file read-only, as `sqlite3 -readonly` does. A reader holds up nobody; but the file doesn't shrink, and its log grows, while a \
     question is under way.",
    "The views tell what was kept when the cache was last brought up to date, and never ask git. What a message says (authors, subjects, \
     trailers, Change-Ids, issues) is kept compressed or as hashes, which SQL can't read: `git bhfuil scan` streams it.",
];

/// How the views are asked.
pub(super) const VIEWS_EXAMPLE: Example = (
    "How many commits are kept:",
    "{ git bhfuil cache views; echo 'SELECT count(*) FROM commits;'; } |\n  sqlite3 -readonly \"$(git bhfuil cache info --format='%(path)')\"",
);

/// The views and their columns.
pub(super) const VIEWS: &[(&str, &str)] = &[
    ("cache", "The repository, one row."),
    ("cache.git_dir", "TEXT. Its common git directory."),
    ("cache.object_format", "TEXT. `sha1` or `sha256`."),
    ("cache.indexed_at", "INTEGER. When its refs were last read, in seconds since 1970; NULL if they never were."),
    ("refs", "HEAD, branches, remote branches and tags, as they stood then."),
    ("refs.name", "TEXT. The full name, `refs/heads/main`; its bytes as they are, which need not be UTF-8."),
    ("refs.id", "TEXT. What it names, a tag object for instance, in lower-case hexadecimal as all ids here."),
    ("refs.commit_id", "TEXT. The commit behind it; NULL if there is none."),
    (
        "commits",
        "Every commit that was ever read, also such as no ref reaches any more. It is unpacked anew for each question, at about a second for \
         50,000 commits: make a temporary table of it to ask often.",
    ),
    (
        "commits.position",
        "INTEGER. Parents have smaller ones than their children. The same while the cache lives, another when it is built anew.",
    ),
    ("commits.id", "TEXT. Its id."),
    ("commits.committed_at", "INTEGER. The committer's time in seconds since 1970, as git reads it."),
    (
        "patch_ids",
        "What the commits changed that had to be compared so far, or whose patch-ids were asked for; not all.",
    ),
    ("patch_ids.id", "TEXT. The commit."),
    (
        "patch_ids.patch_id",
        "TEXT. As `git patch-id --stable` has it of a diff without renames; NULL of a commit that changes nothing.",
    ),
    ("consumers", "Who follows the stream under a name (`scan --new`)."),
    ("consumers.name", "TEXT. The name."),
    ("consumers.filters", "TEXT. The `--author` and `--grep` that it began with."),
    ("consumers.used_at", "INTEGER. When a stream last ended where it stands, in seconds since 1970."),
];

/// Variables that are looked at, beside those of single settings and git's own.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("GIT_BHFUIL_CACHE", "The folder of the caches, for `$XDG_CACHE_HOME/git-bhfuil`."),
    ("GIT_BHFUIL_CONFIG", "Our own configuration file, for `$XDG_CONFIG_HOME/git-bhfuil/config`."),
    (
        "GIT_BHFUIL_LOG",
        "`debug` tells on standard error what is done; a path with a slash in it appends that to a file. Never a password.",
    ),
    ("GIT_PAGER, PAGER", "What pages what people read, the first before any setting, the second after."),
    ("FORCE_HYPERLINK", "`1` if the terminal makes links of OSC 8, `0` if it doesn't; by default it is guessed."),
    (
        "NO_COLOR, CLICOLOR, CLICOLOR_FORCE",
        "Whether there is colour, where neither `--color` nor, for the last two, a setting says so.",
    ),
    ("GIT_BHFUIL_*", "Single settings, see git-bhfuil-config(5)."),
];

/// Where things are.
pub(super) const FILES: &[(&str, &str)] = &[
    ("$XDG_CONFIG_HOME/git-bhfuil/config", "Our own settings, and the repositories that are registered."),
    ("$XDG_CACHE_HOME/git-bhfuil", "The caches, the tasks and what is kept of operations."),
    ("$XDG_DATA_HOME/git-bhfuil/repos", "Clones of repositories that are registered by their addresses."),
    (".bhfuil-dismissed", "At the top of a work tree: what need not be ported, see git-bhfuil-dismiss(1)."),
];

/// What exit codes mean.
pub(super) const EXITS: &[(u8, &str)] = &[
    (exit::ANSWERED, "Answered; also when the reader closed the pipe."),
    (exit::NEGATIVE, "The answer is no: nothing was found, or with `--exit-code` something is missing."),
    (exit::PARTIAL, "Partial: some repository or server failed; an `error` event names it."),
    (exit::FATAL, "Fatal: no repository, a bad revision, a cache from a newer version."),
    (exit::USAGE, "The command line was not understood."),
    (exit::INTERRUPTED, "Interrupted; 143 after SIGTERM. A second signal ends it at once."),
];

/// Those that mean something for each command, or nothing.
pub(super) const VARIED: &[u8] = &[exit::NEGATIVE, exit::PARTIAL];
