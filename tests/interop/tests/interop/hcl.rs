//! Our reader of configurations beside Go's reader of HCL 1, on documents made at random: what they say, what they come to when
//! they are decoded, and what is said of those that are not in order.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};
use steeple_config::{Block, DecodeError, Object, Value, parse};
use steeple_tests_interop::peer::{self, missing};

#[path = "hcl/documents.rs"]
mod documents;

use self::documents::Documents;

/// Documents of each kind: in order, and with a fault.
const DOCUMENTS: usize = 1_500;
/// Differences that are shown.
const SHOWN: usize = 12;
/// The keys that are decoded, of the document and of its `block`.
const KEYS: [&str; 5] = ["text", "int", "bool", "texts", "block"];

#[test]
fn documents_mean_to_us_what_they_mean_to_go() {
    if missing(&["hcl"]).unwrap() {
        return;
    }
    let mut documents = Documents::new(20_261_130);
    let mut texts = Vec::new();
    for _ in 0..DOCUMENTS {
        let (hcl, json) = (documents.hcl(), documents.json());
        texts.extend([documents.broken(&hcl), documents.broken(&json), hcl, json]);
    }
    let answers = go(&texts).unwrap();
    assert_eq!(answers.len(), texts.len());
    let mut differences = Vec::new();
    let mut other_fault = 0;
    for (text, go) in texts.iter().zip(&answers) {
        let ours = ours(text);
        if ours["decode_error"] != "" && go["decode_error"] != "" && ours["decode_error"] != go["decode_error"] {
            other_fault += 1;
        } else if ours != *go && !is_known(text, &ours, go) {
            differences.push(format!("{text:?}\n  Go:   {go}\n  ours: {ours}"));
        }
    }
    let in_order = answers.iter().filter(|answer| answer["decoded"].is_array()).count();
    println!("{} documents, of them {in_order} in order to the last, {} differ", texts.len(), differences.len());
    assert!(in_order > DOCUMENTS, "{in_order}");
    // Which of several faults is told first.
    assert!(other_fault < texts.len() / 100, "{other_fault}");
    let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {} differ:\n{shown}", differences.len(), texts.len());
}

/// What Go says of each of `texts`.
fn go(texts: &[String]) -> Result<Vec<Json>> {
    let mut oracle = Command::new(peer::path("hcl")?);
    let mut oracle = oracle.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = oracle.stdin.take().context("no standard input")?;
    let lines: String = texts.iter().flat_map(|text| [json!(text).to_string(), "\n".to_owned()]).collect();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output()?;
    writing.join().map_err(|_| anyhow::anyhow!("the writer has panicked"))??;
    if !output.status.success() {
        bail!("the oracle has failed: {}", output.status);
    }
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    lines.zip(texts).map(|(line, text)| Ok(comparable(serde_json::from_str(line)?, text))).collect()
}

/// Go's answer without what is not compared: places of faults, and the tree of JSON, whose keys its reader joins with those of
/// objects within, which decoding undoes.
fn comparable(mut answer: Json, text: &str) -> Json {
    if is_json(text) {
        answer["tree"] = Json::Null;
    }
    // Of several blocks of a name Go tells the unknown keys of one.
    if let Some(unknown) = answer.pointer_mut("/decoded/4/4") {
        *unknown = json!(unknown.as_array().is_some_and(|keys| !keys.is_empty()));
    }
    let fault = without_place(answer["decode_error"].as_str().unwrap_or_default());
    answer["decode_error"] = json!(fault);
    answer
}

/// The place is that of the value with us, in Go that of what is in it.
fn without_place(fault: &str) -> String {
    let rest = fault.strip_prefix("At ").and_then(|rest| rest.split_once(": "));
    rest.map_or(fault, |(_, rest)| rest).to_owned()
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// What we say of a text, in the form of Go's answers.
fn ours(text: &str) -> Json {
    let (mut tree, mut decode_error, mut decoded) = (Json::Null, String::new(), Json::Null);
    let object = match parse(text) {
        Ok(object) => object,
        Err(error) => {
            return json!({"parse_error": error.to_string(), "tree": tree, "decode_error": "", "decoded": null});
        }
    };
    if !is_json(text) {
        tree = of_object(&object);
    }
    match decode(&Block::of(&object), &KEYS) {
        Ok(read) => decoded = read,
        Err(error) => decode_error = without_place(&error.to_string()),
    }
    json!({"parse_error": "", "tree": tree, "decode_error": decode_error, "decoded": decoded})
}

fn decode(block: &Block<'_>, keys: &[&str]) -> Result<Json, DecodeError> {
    let text = block.text("text")?.unwrap_or_default();
    let int = block.int("int")?.unwrap_or_default();
    let bool = block.bool("bool")?.unwrap_or_default();
    let texts = block.texts("texts")?.unwrap_or_default();
    let mut unknown: Vec<&str> = block.unknown(keys);
    unknown.sort_unstable();
    unknown.dedup();
    if !keys.contains(&"block") {
        return Ok(json!([text, int, bool, texts, !unknown.is_empty()]));
    }
    let inner = block.block("block")?.map(|inner| decode(&inner, &KEYS[..4])).transpose()?;
    Ok(json!([text, int, bool, texts, inner, unknown]))
}

fn of_object(object: &Object) -> Json {
    let item = |item: &steeple_config::Item| {
        let keys: Vec<Json> = item.keys.iter().map(|key| json!([key.text, key.quoted])).collect();
        json!([keys, of_value(&item.value)])
    };
    json!({"object": object.items.iter().map(item).collect::<Vec<_>>()})
}

fn of_value(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({"text": text}),
        Value::Number(number) => json!({"number": number}),
        Value::Bool(value) => json!({"bool": value}),
        Value::List(values) => json!({"list": values.iter().map(of_value).collect::<Vec<_>>()}),
        Value::Object(object) => of_object(object),
    }
}

/// Where we differ on purpose; `docs/reference/spire-differences.md` says why.
fn is_known(text: &str, ours: &Json, go: &Json) -> bool {
    let said = |answer: &Json, key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let (we_refuse, go_refuses) = (said(ours, "parse_error"), said(go, "parse_error"));
    if !we_refuse.is_empty() {
        // Go takes texts that are no JSON, an argument without a value at the end, and numbers that are none.
        let is_stricter = is_json(text) || we_refuse.contains("Unknown token") || we_refuse.contains("illegal number");
        return is_stricter || !go_refuses.is_empty();
    }
    // Go tells keys of JSON objects within objects as if they stood outside.
    let without_unknown = |answer: &Json| {
        let mut read = answer["decoded"].clone();
        let list = read.as_array_mut();
        list.map(Vec::pop).map(|_| read)
    };
    is_json(text) && ours["decoded"].is_array() && without_unknown(ours) == without_unknown(go)
}
