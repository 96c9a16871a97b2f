//! Documents made at random, the same ones in each run.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

/// Deepest nesting.
const DEPTH: usize = 3;

/// Keys that are decoded, in letters of either case, and some that are not.
const KEYS: [&str; 11] = ["text", "int", "bool", "texts", "block", "Text", "TEXTS", "Block", "other", "x-y.z", "ünï"];
const WORDS: [&str; 8] = ["", "a", "memory", "spiffe://example.org/a b", "${x} {{ .Y }}", "tab\tand é", "7", "true"];
const NUMBERS: [&str; 16] = [
    "0",
    "7",
    "-7",
    "8081",
    "0x1F",
    "0X1f",
    "017",
    "-0",
    "1.5",
    "-1.5e3",
    "1e2",
    "99999999999",
    "08",
    "1e",
    "0x",
    "1.2.3",
];
const BLANKS: [&str; 8] = [" ", "\n", "\t", "\r\n", " # c\n", " // \"c\n", " /* c\n } */ ", "\n\n"];
const FAULTS: [char; 18] = ['{', '}', '[', ']', '"', '=', ',', '\\', '\n', '#', '/', '*', '<', '-', '0', 'x', '@', '$'];

/// A source of documents.
pub(super) struct Documents {
    state: u64,
}

impl Documents {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number below `bound` (Steele, Lea, Flood: `SplitMix`).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or_default()
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        let index = self.below(of.len());
        of[index]
    }

    /// HCL that is mostly in order.
    pub(super) fn hcl(&mut self) -> String {
        let mut text = String::new();
        self.items(&mut text, 0);
        text
    }

    fn items(&mut self, text: &mut String, depth: usize) {
        for _ in 0..self.below(5) {
            self.item(text, depth);
            text.push_str(if self.below(8) == 0 { ",\n" } else { "\n" });
            if self.below(4) == 0 {
                text.push_str(self.one_of(&BLANKS));
            }
        }
    }

    fn item(&mut self, text: &mut String, depth: usize) {
        let key = self.one_of(&KEYS);
        let shown = if self.below(6) == 0 { format!("{key:?}") } else { key.to_owned() };
        text.push_str(&shown);
        let is_block = key.eq_ignore_ascii_case("block") || self.below(8) == 0;
        if is_block && depth < DEPTH && self.below(5) != 0 {
            for _ in 0..self.below(8).saturating_sub(5) {
                let label = self.one_of(&WORDS[1..3]);
                let _written = write!(text, " {label:?}");
            }
            text.push_str(if self.below(6) == 0 { " = {" } else { " {" });
            text.push_str(self.one_of(&BLANKS[..2]));
            self.items(text, depth + 1);
            text.push('}');
            return;
        }
        text.push_str(self.one_of(&[" = ", "=", " =\n"]));
        self.value(text, key, depth);
    }

    /// Mostly what fits the key.
    fn value(&mut self, text: &mut String, key: &str, depth: usize) {
        let kind = match key.to_lowercase().as_str() {
            "text" if self.below(4) > 0 => 0,
            "int" if self.below(4) > 0 => 1,
            "bool" if self.below(4) > 0 => 2,
            "texts" if self.below(4) > 0 => 3,
            _ => self.below(6),
        };
        match kind {
            0 => self.text(text),
            1 if self.below(5) == 0 => {
                let number = self.one_of(&NUMBERS);
                let _written = write!(text, "{number:?}");
            }
            1 => {
                let valid = if self.below(12) == 0 { 0 } else { 4 };
                text.push_str(self.one_of(&NUMBERS[..NUMBERS.len() - valid]));
            }
            2 => text.push_str(self.one_of(&["true", "false", "\"true\"", "1", "true", "false"])),
            3 => self.list(text, depth),
            4 if depth < DEPTH => {
                text.push('{');
                self.items(text, depth + 1);
                text.push('}');
            }
            _ => {
                let indented = self.one_of(&["", "-"]);
                let _written = write!(text, "<<{indented}END\n  l1\n    {}\n  END\n", self.one_of(&WORDS));
            }
        }
    }

    fn text(&mut self, text: &mut String) {
        let word = self.one_of(&WORDS);
        let escape = self.one_of(&["", "", "\\n", "\\\"", "\\u00e9", "\\x41", "\\101", "${\"q\"}", "\\\\"]);
        let _written = write!(text, "\"{}{escape}\"", word.replace('\t', "\\t"));
    }

    fn list(&mut self, text: &mut String, depth: usize) {
        text.push('[');
        let count = self.below(4);
        for number in 0..count {
            if number > 0 {
                text.push_str(self.one_of(&[", ", ",", ",\n", ", # c\n"]));
            }
            match self.below(8) {
                0 => text.push_str(self.one_of(&NUMBERS[..6])),
                1 => text.push_str("true"),
                2 if depth < DEPTH => self.list(text, depth + 1),
                3 if depth < DEPTH => {
                    text.push('{');
                    self.items(text, depth + 1);
                    text.push('}');
                }
                _ => self.text(text),
            }
        }
        if count > 0 && self.below(4) == 0 {
            text.push(',');
        }
        text.push(']');
    }

    /// JSON that is in order.
    pub(super) fn json(&mut self) -> String {
        let object = self.json_object(0);
        if self.below(2) == 0 { object.to_string() } else { format!("{object:#}") }
    }

    fn json_object(&mut self, depth: usize) -> Json {
        let mut object = Map::new();
        for _ in 0..self.below(5) {
            let key = self.one_of(&KEYS);
            let value = self.json_value(key, depth);
            object.insert(key.to_owned(), value);
        }
        Json::Object(object)
    }

    fn json_value(&mut self, key: &str, depth: usize) -> Json {
        let kind = match key.to_lowercase().as_str() {
            "text" if self.below(4) > 0 => 0,
            "int" if self.below(4) > 0 => 1,
            "bool" if self.below(4) > 0 => 2,
            "texts" if self.below(4) > 0 => 3,
            "block" if self.below(4) > 0 => 4 + self.below(2),
            _ => self.below(7),
        };
        match kind {
            0 => json!(self.one_of(&WORDS)),
            1 => {
                self.one_of(&[json!(7), json!(-7), json!("0x1f"), json!("7"), json!(0), json!(1.5)].each_ref()).clone()
            }
            2 => json!(self.below(2) == 0),
            3 => (0..self.below(4)).map(|_| json!(self.one_of(&WORDS))).collect(),
            4 if depth < DEPTH => self.json_object(depth + 1),
            5 if depth < DEPTH => (0..=self.below(2)).map(|_| self.json_object(depth + 1)).collect(),
            _ => json!(self.one_of(&NUMBERS)),
        }
    }

    /// A document with a fault, or cut off.
    pub(super) fn broken(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        if letters.is_empty() {
            return self.one_of(&FAULTS).to_string();
        }
        let place = self.below(letters.len());
        match self.below(4) {
            0 => letters.truncate(place),
            1 => drop(letters.remove(place)),
            2 => letters.insert(place, self.one_of(&FAULTS)),
            _ => letters[place] = self.one_of(&FAULTS),
        }
        letters.into_iter().collect()
    }
}
