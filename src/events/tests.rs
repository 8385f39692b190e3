use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// One line of each type, with every optional field somewhere.
const LINES: &str = r#"
{"type":"begin","schema":1,"version":"0.1.0","command":"where","queries":["CVE-2024-1234"]}
{"type":"repo","repo":"nova","git_dir":"/srv/nova.git","object_format":"sha1","shallow":false,"partial":false,"ref_count":677}
{"type":"repo","repo":"old","git_dir":null,"object_format":null,"shallow":null,"partial":null,"ref_count":null,"path":"/srv/�","path_b64":"L3Nydi//","url":"https://example.com/old","groups":["all"],"refs":[]}
{"type":"ref","repo":"nova","ref":"refs/heads/stable/2025.1","short":"stable/2025.1","kind":"branch","id":"aa","peeled":"bb","old_id":"cc","line":"2025.1"}
{"type":"ref","repo":"nova","ref":"refs/tags/�","ref_b64":"cmVmcy90YWdzL/8=","short":"�","short_b64":"/w==","kind":"tag","id":"aa","peeled":null}
{"type":"progress","repo":"nova","phase":"walk","done":12000,"total":null,"unit":"commits"}
{"type":"commit","repo":"nova","id":"aa","parents":["bb"],"tree":"cc","subject":"api: \"fix\"","body":"Why\n\nSigned-off-by: A","author":{"name":"A U Thor","email":"author@example.com","date":"2024-01-02T03:04:05+01:00","mapped_name":"A","mapped_email":"a@example.com"},"committer":{"name":"�","name_b64":"/w==","email":"","date":null,"date_raw":"99999999999999 +0000"},"trailers":[{"key":"Change-Id","value":"I1"}],"change_id":"I1","issues":[{"kind":"cve","key":"CVE-2024-1234"}],"origins":[{"kind":"cherry-pick","text":"1a2b3c","id":"dd"}],"reverts":[{"text":"ee","id":null}],"relands":[],"fixes":[{"text":"ff","id":"ff"}],"requests":[{"kind":"cc-stable","text":"5.10+"}],"patch_id":"99","paths":[{"status":"M","path":"a","old_mode":"100644","new_mode":"100644","old_blob":"1","new_blob":"2"},{"status":"A","path":"b","new_mode":"100644","new_blob":"3"}]}
{"type":"commit","repo":"nova","id":"aa","parents":[],"tree":"cc","subject":"s","body":"","author":{"name":"A","email":"a@example.com","date":"2024-01-02T03:04:05Z"},"committer":{"name":"A","email":"a@example.com","date":"2024-01-02T03:04:05Z"},"trailers":[],"issues":[],"origins":[],"reverts":[],"relands":[],"fixes":[],"requests":[],"patch_id":null,"paths":null}
{"type":"candidate","query":"1a2b","repo":"nova","id":"aa","subject":"s","why":"ambiguous"}
{"type":"match","query":"q","repo":"nova","change":"aa","id":"bb","strength":"equal","confidence":0.995,"rung":"patch-id-author-date","fidelity":"exact","signals":[{"kind":"trailer","value":"v","hops":1},{"kind":"patch-id","value":"p"}]}
{"type":"match","query":"q","repo":"nova","change":"aa","id":"aa","strength":"equal","confidence":1.0,"signals":[{"kind":"same"}]}
{"type":"presence","query":"q","repo":"nova","change":"aa","ref":"refs/heads/a","short":"a","line":"2025.1","state":"not-applicable","id":"aa","how":"backport","first_tag":"31.0.1","first_release":null,"via":"v"}
{"type":"presence","query":"OSV-1","repo":"nova","change":"aa","ref":"refs/heads/a","short":"a","state":"missing","affected":null,"recorded":true,"range":"affected[0].ranges[0]"}
{"type":"missing","repo":"nova","change":"aa","id":"aa","ref":"refs/heads/a","short":"a","state":"missing","because":"b","apply":"conflict","conflicts":["a","�"],"conflicts_b64":["YQ==","/w=="]}
{"type":"followup","repo":"nova","id":"aa","of":"bb","relation":"fixes","ref":"refs/heads/a","state":"missing"}
{"type":"verdict","repo":"nova","id":"aa","other":"bb","rung":"patch-id","holds":true,"evidence":"e"}
{"type":"interdiff","repo":"nova","id":"aa","other":"bb","text":"t"}
{"type":"claim","query":"OSV-1","repo":"nova","range":"affected[0].ranges[0]","claim":"named","event":"last_affected","id":"aa","holds":false,"evidence":"e"}
{"type":"claim","query":"OSV-1","repo":"nova","range":"affected[0]","claim":"versions","holds":null,"evidence":"e"}
{"type":"issue","tracker":"github","key":"openstack/nova#12","state":"closed","title":"t","url":"u","labels":["bug"],"cached":true,"stale":false,"fetched_at":null}
{"type":"metadata","repo":"nova","tracker":"github","key":"openstack/nova","description":"d","default_branch":"master","url":"u","archived":false,"pushed_at":"2024-01-02T03:04:05Z","fetched_at":null}
{"type":"release","repo":"nova","tag":"31.0.1","published_at":null,"url":"u"}
{"type":"contributor","repo":"nova","name":"A","email":"a@example.com","commits":12}
{"type":"task","id":"1","kind":"prefetch","state":"pending","stalled":false,"detail":"d"}
{"type":"task","id":"1","kind":"scan","state":"running","stalled":true,"about":"nova","priority":"high","made_at":"2024-01-02T03:04:05Z","begun_at":"2024-01-02T03:04:06Z","ended_at":"2024-01-02T03:04:07Z","age_ms":5,"phase":"walk","done":1,"total":2,"pid":7,"log":"l","result_file":"r"}
{"type":"setting","key":"bhfuil.jobs","value":"3","origin":"config:12"}
{"type":"setting","key":"bhfuil.jobs","value":"3","origin":"default","scope":"default","repo":"nova"}
{"type":"exported","table":"commits","path":"fleet/commits.parquet","rows":2,"bytes":700}
{"type":"installed","path":"/usr/share/man/man1/a.1","part":"manual","state":"written"}
{"type":"operation","operation":"scan","calls":12,"failed":1,"p50_ms":40,"p95_ms":90,"peak_bytes":1}
{"type":"operation","operation":"fetch","calls":3,"failed":1,"p50_ms":40,"p95_ms":90,"peak_bytes":null,"longest_ms":91,"partial_calls":0,"cancelled":1,"success":0.5,"bytes":7,"last_at":"d"}
{"type":"cache","repo":"nova","path":"p","bytes":1,"commits":1,"schema":3}
{"type":"cache","repo":"nova","path":"p","bytes":0,"commits":1,"schema":3,"git_dir":"/srv/�","git_dir_b64":"L3Nydi//","state":"removed","because":"too-large","freed":1,"texts":1,"patch_ids":1,"words":1,"consumers":0,"used_at":"2024-01-02T03:04:05Z"}
{"type":"health","check":"cache-integrity","ok":true,"message":"m","remedy":"r"}
{"type":"warning","repo":"nova","code":"shallow-history","message":"m","hint":"h","count":1}
{"type":"warning","repo":"nova","query":"q","code":"nothing-found","message":"m","count":1}
{"type":"error","repo":"x","id":"aa","code":"repo-open","class":"transient","message":"m","hint":"h","count":1,"fatal":false}
{"type":"error","repo":"x","code":"network","class":"transient","message":"m","count":3,"fatal":false,"first_at":"d","last_at":"d"}
{"type":"repo-end","repo":"nova","status":"ok","index":"fresh","new":12,"counts":{"commit":4}}
{"type":"end","status":"ok","complete":true,"exit_code":0,"cursor":"c","counts":{"commit":4,"match":3},"elapsed_ms":42}
"#;

fn lines() -> impl Iterator<Item = &'static str> {
    LINES.lines().filter(|line| !line.is_empty())
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema()).expect("a valid schema")
}

#[test]
fn every_line_comes_back_byte_for_byte() {
    for line in lines() {
        let event: Event<'_> = serde_json::from_str(line).expect(line);
        assert_eq!(serde_json::to_string(&event).expect("writable"), line);
    }
}

#[test]
fn every_line_satisfies_the_schema_and_every_type_has_a_line() {
    let validator = validator();
    let mut types = std::collections::BTreeSet::new();
    for line in lines() {
        let value: Value = serde_json::from_str(line).expect(line);
        types.insert(value["type"].as_str().expect("a type").to_owned());
        if let Err(error) = validator.validate(&value) {
            panic!("{line}: {error}");
        }
    }
    let schema = schema();
    assert_eq!(types.len(), schema["oneOf"].as_array().expect("a oneOf").len());
}

#[test]
fn the_schema_refuses_wrong_lines() {
    let validator = validator();
    for wrong in [
        "{}",
        r#"{"type":"nonsense"}"#,
        r#"{"type":"begin","schema":"1","version":"0.1.0","command":"scan"}"#,
        r#"{"type":"begin","schema":1,"version":"0.1.0"}"#,
        r#"{"type":"begin","schema":1,"version":"0.1.0","command":"scan","queries":null}"#,
        r#"{"type":"progress","phase":"walk","done":-1,"total":1,"unit":"commits"}"#,
        r#"{"type":"progress","phase":"walk","done":1,"unit":"commits"}"#,
        r#"{"type":"candidate","query":"q","repo":"r","id":"a","subject":"s","why":"because"}"#,
        r#"{"type":"candidate","query":"q","repo":"r","id":"a","subject":"s","why":"unrecognised"}"#,
        r#"{"type":"commit","repo":"r","id":"a"}"#,
        r#"{"type":"health","check":"c","ok":true,"message":"m","remedy":null}"#,
    ] {
        let value: Value = serde_json::from_str(wrong).expect(wrong);
        assert!(!validator.is_valid(&value), "{wrong}");
    }
}

#[test]
fn the_schema_allows_fields_of_a_newer_producer() {
    let newer = r#"{"type":"contributor","repo":"r","name":"A","email":"","commits":1,"later":[1]}"#;
    assert!(validator().is_valid(&serde_json::from_str(newer).expect(newer)));
    assert!(matches!(serde_json::from_str(newer), Ok(Event::Contributor(_))));
}

#[test]
fn types_and_values_of_a_newer_producer_are_read_but_never_written() {
    let event: Event<'_> = serde_json::from_str(r#"{"type":"later","x":{"y":[1]}}"#).expect("lenient");
    assert_eq!(event, Event::Unrecognised);
    assert!(serde_json::to_string(&event).is_err());

    let line = r#"{"type":"candidate","query":"q","repo":"r","id":"a","subject":"s","why":"later"}"#;
    let event: Event<'_> = serde_json::from_str(line).expect("lenient");
    assert!(matches!(&event, Event::Candidate(it) if it.why == matching::CandidateReason::Unrecognised));
    assert!(serde_json::to_string(&event).is_err());
}

#[test]
fn absent_and_null_are_told_apart() {
    let base = r#"{"type":"release","repo":"r","tag":"1""#;
    for (rest, expected) in
        [("}", None), (r#","published_at":null}"#, Some(None)), (r#","published_at":"d"}"#, Some(Some("d".into())))]
    {
        let line = format!("{base}{rest}");
        let event: Event<'_> = serde_json::from_str(&line).expect("a release");
        let Event::Release(release) = &event else { panic!("{line}") };
        assert_eq!(release.published_at, expected);
        assert_eq!(serde_json::to_string(&event).expect("writable"), line);
    }
}

#[test]
fn a_field_name_has_one_type_everywhere() {
    let schema = schema();
    let mut seen = BTreeMap::new();
    let types = schema["$defs"].as_object().expect("definitions");
    for (name, definition) in types {
        for (field, shape) in definition["properties"].as_object().into_iter().flatten() {
            let kind = json_type(shape, types);
            let first = seen.entry(field.clone()).or_insert_with(|| kind.clone());
            assert_eq!(*first, kind, "{name}.{field}");
        }
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

/// The JSON type of a field, `null` left out.
fn json_type(shape: &Value, types: &serde_json::Map<String, Value>) -> String {
    if let Some(target) = shape["$ref"].as_str() {
        return json_type(&types[target.trim_start_matches("#/$defs/")], types);
    }
    let many = shape["anyOf"].as_array().or(shape["oneOf"].as_array());
    if let Some(many) = many {
        let found = many.iter().map(|one| json_type(one, types)).find(|kind| kind != "null");
        return found.unwrap_or_default();
    }
    match &shape["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap_or_default().to_owned(),
        kind => kind.as_str().unwrap_or_default().to_owned(),
    }
}

#[test]
fn every_field_of_the_schema_is_described() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        for (field, shape) in definition["properties"].as_object().into_iter().flatten() {
            assert!(shape["description"].is_string(), "{name}.{field}");
        }
    }
}

/// A value of the schema as a newer producer may write it: every object has one more field, and where `at` says so, in the order of the texts,
/// a text is one that nobody knows yet.
fn newer(value: &Value, at: usize, seen: &mut usize) -> Value {
    match value {
        Value::Object(fields) => {
            // The names in counts are types.
            let field = |name: &str, field: &Value, seen: &mut usize| match name {
                "counts" => field.clone(),
                _ => newer(field, at, seen),
            };
            let fields = fields.iter().map(|(name, value)| (name.clone(), field(name, value, seen)));
            fields.chain([("from_a_later_version".to_owned(), serde_json::json!({"a": [1, null]}))]).collect()
        }
        Value::Array(all) => all.iter().map(|one| newer(one, at, seen)).collect(),
        Value::String(text) => {
            *seen += 1;
            if Some(*seen) == at.checked_add(1) { "from-a-later-version".into() } else { text.clone().into() }
        }
        other => other.clone(),
    }
}

#[test]
fn no_new_field_or_value_keeps_a_line_from_being_read() {
    let mut texts = 0;
    for line in lines() {
        let value: Value = serde_json::from_str(line).expect(line);
        let mut count = 0;
        newer(&value, usize::MAX, &mut count);
        for at in 0..count {
            let line = newer(&value, at, &mut 0).to_string();
            let read = serde_json::from_str::<Event<'_>>(&line);
            assert!(read.is_ok(), "{line}: {read:?}");
        }
        texts += count;
    }
    assert!(texts > 200, "{texts}");
}
