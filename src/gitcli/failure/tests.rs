use super::*;

/// What git 2.47 wrote, with its cause. Asked for by hand of servers that fail in these ways; those of ssh and of large hosts as
/// they are reported.
const SAID: &[(Cause, &str, &str)] = &[
    (
        Cause::Password,
        "could not read Username for 'http://127.0.0.1:34997': terminal prompts disabled",
        "Cloning into bare repository 'x.git'...\n\
         fatal: could not read Username for 'http://127.0.0.1:34997': terminal prompts disabled",
    ),
    (
        Cause::Password,
        "could not read Username for 'http://h': terminal prompts disabled",
        "error: unable to read askpass response from 'false'\n\
         fatal: could not read Username for 'http://h': terminal prompts disabled",
    ),
    (Cause::Password, "Authentication failed for 'http://h/x/'", "fatal: Authentication failed for 'http://h/x/'"),
    (
        Cause::Password,
        "Authentication failed for 'https://h/x/'",
        "remote: Support for password authentication was removed.\nfatal: Authentication failed for 'https://h/x/'",
    ),
    (
        Cause::Refused,
        "unable to access 'http://h/x/': The requested URL returned error: 403",
        "fatal: unable to access 'http://h/x/': The requested URL returned error: 403",
    ),
    (
        Cause::NoRepository,
        "Repository not found.",
        "remote: Repository not found.\nfatal: unable to access 'http://h/x/': The requested URL returned error: 403",
    ),
    (Cause::NoRepository, "repository 'http://h/x/' not found", "fatal: repository 'http://h/x/' not found"),
    (
        Cause::NoRepository,
        "'/x' does not appear to be a git repository",
        "Cloning into bare repository 'x.git'...\nfatal: '/x' does not appear to be a git repository\n\
         fatal: Could not read from remote repository.\n\n\
         Please make sure you have the correct access rights\nand the repository exists.",
    ),
    (Cause::NoRepository, "repository 'nowhere' does not exist", "fatal: repository 'nowhere' does not exist"),
    (
        Cause::NoRepository,
        "remote error: access denied or repository not exported: /nope",
        "fatal: remote error: access denied or repository not exported: /nope",
    ),
    (
        Cause::NoRepository,
        "Repository not found.",
        "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\n\
         Please make sure you have the correct access rights\nand the repository exists.",
    ),
    (
        Cause::NoRepository,
        "unable to access 'http://h/x/': The requested URL returned error: 410",
        "fatal: unable to access 'http://h/x/': The requested URL returned error: 410",
    ),
    (
        Cause::Network,
        "unable to access 'http://h/x/': The requested URL returned error: 429",
        "fatal: unable to access 'http://h/x/': The requested URL returned error: 429",
    ),
    (
        Cause::Network,
        "unable to access 'http://h/x/': The requested URL returned error: 503",
        "fatal: unable to access 'http://h/x/': The requested URL returned error: 503",
    ),
    (
        Cause::Refused,
        "unable to access 'http://h/x/': The requested URL returned error: 501",
        "fatal: unable to access 'http://h/x/': The requested URL returned error: 501",
    ),
    (
        Cause::Network,
        "RPC failed; HTTP 500 curl 22 The requested URL returned error: 500",
        "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nfatal: expected flush after ref listing",
    ),
    (
        Cause::Refused,
        "RPC failed; HTTP 403 curl 22 The requested URL returned error: 403",
        "error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403\n\
         fatal: the remote end hung up unexpectedly",
    ),
    (
        Cause::Network,
        "fetch-pack: unexpected disconnect while reading sideband packet",
        "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF\n\
         fatal: fetch-pack: invalid index-pack output",
    ),
    (
        Cause::Network,
        "RPC failed; curl 18 transfer closed with 12750 bytes remaining to read",
        "error: RPC failed; curl 18 transfer closed with 12750 bytes remaining to read\n\
         error: 22 bytes of body are still expected\nfetch-pack: unexpected disconnect while reading sideband packet\n\
         fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
    ),
    (Cause::Network, "expected flush after capabilities", "fatal: expected flush after capabilities"),
    (
        Cause::Network,
        "unable to access 'http://h/x/': Empty reply from server",
        "fatal: unable to access 'http://h/x/': Empty reply from server",
    ),
    (
        Cause::Network,
        "unable to access 'http://h/x/': Recv failure: Connection reset by peer",
        "fatal: unable to access 'http://h/x/': Recv failure: Connection reset by peer",
    ),
    (
        Cause::Network,
        "unable to access 'http://h/x/': Failed to connect to h port 1 after 0 ms: Couldn't connect to server",
        "fatal: unable to access 'http://h/x/': Failed to connect to h port 1 after 0 ms: Couldn't connect to server",
    ),
    (
        Cause::Network,
        "unable to access 'http://h.invalid/x/': Could not resolve host: h.invalid",
        "fatal: unable to access 'http://h.invalid/x/': Could not resolve host: h.invalid",
    ),
    (
        Cause::Network,
        "unable to access 'https://h/x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.",
        "fatal: unable to access 'https://h/x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.",
    ),
    (Cause::Network, "read error: Connection reset by peer", "fatal: read error: Connection reset by peer"),
    (
        Cause::Network,
        "unable to connect to 127.0.0.1:",
        "fatal: unable to connect to 127.0.0.1:\n127.0.0.1[0: 127.0.0.1]: errno=Connection refused\n",
    ),
    (
        Cause::Network,
        "ssh: connect to host h port 22: Connection timed out",
        "ssh: connect to host h port 22: Connection timed out\r\nfatal: Could not read from remote repository.\n\n\
         Please make sure you have the correct access rights\nand the repository exists.",
    ),
    (
        Cause::Network,
        "kex_exchange_identification: read: Connection reset by peer",
        "kex_exchange_identification: read: Connection reset by peer\r\nfatal: Could not read from remote repository.",
    ),
    (
        Cause::NoHost,
        "unable to look up h.invalid (port 9418) (Name or service not known)",
        "fatal: unable to look up h.invalid (port 9418) (Name or service not known)",
    ),
    (
        Cause::Network,
        "unable to look up h (port 9418) (Temporary failure in name resolution)",
        "fatal: unable to look up h (port 9418) (Temporary failure in name resolution)",
    ),
    (
        Cause::NoHost,
        "ssh: Could not resolve hostname h.invalid: Name or service not known",
        "ssh: Could not resolve hostname h.invalid: Name or service not known\r\n\
         fatal: Could not read from remote repository.",
    ),
    (
        Cause::Key,
        "git@h: Permission denied (publickey).",
        "git@h: Permission denied (publickey).\r\nfatal: Could not read from remote repository.",
    ),
    (
        Cause::HostKey,
        "Host key verification failed.",
        "Host key verification failed.\r\nfatal: Could not read from remote repository.",
    ),
    (
        Cause::Certificate,
        "unable to access 'https://h/x': server certificate verification failed. CAfile: /c CRLfile: none",
        "fatal: unable to access 'https://h/x': server certificate verification failed. CAfile: /c CRLfile: none",
    ),
    (
        Cause::Certificate,
        "unable to access 'https://h/x': SSL: certificate subject name (other) does not match target host name 'h'",
        "fatal: unable to access 'https://h/x': SSL: certificate subject name (other) does not match target host name 'h'",
    ),
    (
        Cause::Certificate,
        "unable to access 'https://h/x/': Problem with the SSL CA cert (path? access rights?)",
        "fatal: unable to access 'https://h/x/': Problem with the SSL CA cert (path? access rights?)",
    ),
    (
        Cause::Refused,
        "unable to access 'https://h/x/': gnutls_handshake() failed: An unexpected TLS packet was received.",
        "fatal: unable to access 'https://h/x/': gnutls_handshake() failed: An unexpected TLS packet was received.",
    ),
    (Cause::NotAllowed, "transport 'ext' not allowed", "fatal: transport 'ext' not allowed"),
    (
        Cause::Protocol,
        "git: 'remote-foo' is not a git command. See 'git --help'.",
        "git: 'remote-foo' is not a git command. See 'git --help'.\n\nThe most similar command is\n\tremote-ftp\n\
         fatal: remote helper 'foo' aborted session",
    ),
    (
        Cause::Protocol,
        "unable to access 'http://h/x/': Protocol \"ftp\" not supported or disabled in libcurl",
        "fatal: unable to access 'http://h/x/': Protocol \"ftp\" not supported or disabled in libcurl",
    ),
    (
        Cause::Url,
        "unable to access 'https://exa mple/x/': URL using bad/illegal format or missing URL",
        "fatal: unable to access 'https://exa mple/x/': URL using bad/illegal format or missing URL",
    ),
    (Cause::Url, "repository '' does not exist", "fatal: repository '' does not exist"),
    (
        Cause::DiskFull,
        "write error: No space left on device",
        "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
    ),
    (
        Cause::Broken,
        "git upload-pack: aborting due to possible repository corruption on the remote side.",
        "remote: error: inflate: data stream error (incorrect data check)\n\
         error: git upload-pack: git-pack-objects died with error.\n\
         remote: aborting due to possible repository corruption on the remote side.\nfatal: early EOF\n\
         fatal: fetch-pack: invalid index-pack output\n\
         fatal: git upload-pack: aborting due to possible repository corruption on the remote side.",
    ),
    (
        Cause::Killed,
        "index-pack died of signal 9",
        "error: index-pack died of signal 9\nfatal: fetch-pack: invalid index-pack output",
    ),
    (
        Cause::Locked,
        "could not delete reference refs/heads/a: Unable to create '/m.git/packed-refs.lock': File exists.",
        "error: could not delete reference refs/heads/a: Unable to create '/m.git/packed-refs.lock': File exists.\n\n\
         Another git process seems to be running in this repository, e.g.\n",
    ),
    (
        Cause::Locked,
        "could not delete reference refs/heads/a: unable to create file /m.git/packed-refs.new: File exists",
        "error: could not delete reference refs/heads/a: unable to create file /m.git/packed-refs.new: File exists",
    ),
    (
        Cause::Denied,
        "could not create leading directories of '/x/y': Permission denied",
        "fatal: could not create leading directories of '/x/y': Permission denied",
    ),
    (
        Cause::Network,
        "early EOF",
        "remote: fatal: write error: No space left on device\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
    ),
    (
        Cause::Unknown,
        "protocol error: bad line length character: hell",
        "fatal: protocol error: bad line length character: hell",
    ),
    (Cause::Unknown, "fetch-pack: invalid index-pack output", "fatal: fetch-pack: invalid index-pack output"),
    (Cause::Unknown, "", ""),
    (Cause::Unknown, "schwerwiegend: irgendwas", "Klone nach 'x' ...\nschwerwiegend: irgendwas"),
];

#[test]
fn the_cause_is_found_in_what_git_says() {
    for (cause, reason, said) in SAID {
        assert_eq!(judge(said), Judgement { cause: *cause, reason: (*reason).to_owned() }, "{said}");
    }
}

#[test]
fn only_what_a_connection_does_is_worth_another_attempt() {
    use crate::error::Class;
    for (cause, _, said) in SAID {
        assert_eq!(cause.kind().class() == Class::Transient, *cause == Cause::Network, "{said}");
    }
    assert_eq!((Cause::Url.kind().class(), Cause::NotAllowed.kind().class()), (Class::User, Class::User));
}

#[test]
fn every_cause_has_a_way_out_and_none_tells_a_password() {
    for (cause, ..) in SAID {
        let hint = cause.hint("https://me:secret@h/x");
        assert!(!hint.is_empty() && !hint.contains("secret"), "{hint}");
    }
    let said = "fatal: unable to access 'https://me:secret@h/x/': The requested URL returned error: 500";
    assert_eq!(judge(said).reason, "unable to access 'https://me@h/x/': The requested URL returned error: 500");
    for (text, shown) in [
        ("https://:secret@h/x", "https://@h/x"),
        ("https://h:8080/a@b:c", "https://h:8080/a@b:c"),
        ("git@h:x/y@z", "git@h:x/y@z"),
        ("http://me:sec/@@ret@h:1/x", "http://me@h:1/x"),
        ("https://h/x?private_token=secret and 'https://h/?a'", "https://h/x?… and 'https://h/?…'"),
        ("'ssh://a:b@h/' and 'ssh://a:b@h/'", "'ssh://a@h/' and 'ssh://a@h/'"),
    ] {
        assert_eq!(without_password(text), shown);
    }
}

#[test]
fn the_reason_is_found_in_what_git_says() {
    for (stderr, reason) in [
        ("", ""),
        ("warning: a\nfatal: bad\n", "fatal: bad"),
        ("fatal: owner\nTo add an exception, call:\n\n\tgit config x\n", "fatal: owner"),
        ("error: unknown option `x'\nusage: git rev-list\n\n    -z  more\n", "error: unknown option `x'"),
        ("usage: git rev-list <commit>\n\n  limiting output:\n    --max-count=<n>\n", "usage: git rev-list <commit>"),
        ("first\nlast\n\n", "last"),
    ] {
        assert_eq!(last_words(stderr), reason);
    }
}
