//! Results, and the table that they make.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::stats::{Spread, short};

/// Results that are read together.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Section {
    title: Text,
    /// What must be known to read them.
    note: Text,
    /// The results.
    pub rows: Vec<Row>,
}

/// The results of one case.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Row {
    /// What was measured; `rival::what` is another's.
    pub case: String,
    /// What it was measured against.
    pub against: String,
    /// How many times what it was measured against.
    pub ratio: Option<Spread>,
    figures: Vec<Figure>,
    /// What it was to be, if it was to be anything.
    pub goal: Option<Verdict>,
}

/// A measured number.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Figure {
    name: Text,
    value: f64,
    /// More than what it was measured against, rather than in all.
    over: bool,
}

/// A goal, and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Verdict {
    /// What was to be.
    pub goal: String,
    /// What is.
    pub measured: String,
    /// Whether that is enough.
    pub met: bool,
    /// What rivals are compared by.
    pub by: By,
}

/// What decides who is ahead.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum By {
    /// The least of this figure.
    Figure(Text),
    /// The greatest ratio.
    HighRatio,
    /// The least ratio.
    LowRatio,
}

/// Written here, or read from another process.
type Text = Cow<'static, str>;

impl Row {
    /// A case without results yet.
    pub fn new(case: impl Into<String>, against: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            against: against.into(),
            ..Self::default()
        }
    }

    /// How many times what it was measured against.
    #[must_use]
    pub fn ratio(mut self, ratio: Spread) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// A number in all.
    #[must_use]
    pub fn figure(mut self, name: &'static str, value: f64) -> Self {
        let (name, over) = (name.into(), false);
        self.figures.push(Figure { name, value, over });
        self
    }

    /// A number in all, under a name that was read.
    #[must_use]
    pub fn named_figure(mut self, name: String, value: f64) -> Self {
        let (name, over) = (name.into(), false);
        self.figures.push(Figure { name, value, over });
        self
    }

    /// A number on top of what it was measured against.
    #[must_use]
    pub fn over(mut self, name: &'static str, value: f64) -> Self {
        let (name, over) = (name.into(), true);
        self.figures.push(Figure { name, value, over });
        self
    }

    /// What it was to be.
    #[must_use]
    pub fn goal(mut self, goal: Option<Verdict>) -> Self {
        self.goal = goal;
        self
    }

    /// Whether it is another's.
    #[must_use]
    pub fn is_rival(&self) -> bool {
        self.case
            .split_once("::")
            .is_some_and(|(whose, _)| whose != "floor")
    }

    fn value(&self, by: &By) -> Option<f64> {
        match by {
            By::Figure(name) => self
                .figures
                .iter()
                .find(|figure| figure.name == *name)
                .map(|figure| figure.value),
            By::HighRatio => self.ratio.map(|ratio| -ratio.median),
            By::LowRatio => self.ratio.map(|ratio| ratio.median),
        }
    }

    fn cells(&self) -> [String; 6] {
        let figures: Vec<String> = self.figures.iter().map(Figure::text).collect();
        [
            self.ratio
                .map_or_else(String::new, |ratio| short(ratio.median)),
            self.ratio
                .map_or_else(String::new, |ratio| ratio.to_string()),
            self.case.clone(),
            self.against.clone(),
            figures.join(", "),
            self.goal.as_ref().map_or_else(String::new, Verdict::text),
        ]
    }

    fn json(&self) -> Value {
        let mut row = Map::new();
        row.insert("case".into(), json!(self.case));
        row.insert("against".into(), json!(self.against));
        if let Some(ratio) = self.ratio {
            row.insert("ratio".into(), json!(ratio.median));
            row.insert("ratio_least".into(), json!(ratio.least));
            row.insert("ratio_most".into(), json!(ratio.most));
        }
        for figure in &self.figures {
            let more = if figure.over { "_more" } else { "" };
            let name = format!("{}{more}", figure.name.replace(' ', "_"));
            row.insert(name, json!(figure.value));
        }
        if let Some(verdict) = &self.goal {
            row.insert("goal".into(), json!(verdict.goal));
            row.insert("met".into(), json!(verdict.met));
        }
        Value::Object(row)
    }
}

impl Figure {
    fn text(&self) -> String {
        let sign = if self.over && self.value >= 0.0 {
            "+"
        } else {
            ""
        };
        format!("{sign}{} {}", short(self.value), self.name)
    }
}

impl Verdict {
    fn text(&self) -> String {
        let met = if self.met { "met" } else { "MISSED" };
        format!("{}: {met}", self.goal)
    }
}

impl Section {
    /// Results under a title, and what must be known to read them.
    #[must_use]
    pub fn new(title: &'static str, note: &'static str, rows: Vec<Row>) -> Self {
        Self {
            title: title.into(),
            note: note.into(),
            rows,
        }
    }

    /// The rival that comes closest, by what a goal is judged by.
    fn best_rival(&self, by: &By) -> Option<(&Row, f64)> {
        self.rows
            .iter()
            .filter(|row| row.is_rival())
            .filter_map(|row| Some((row, row.value(by)?)))
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

/// All results as one table.
#[must_use]
pub fn results(sections: &[Section]) -> String {
    let mut rows = Vec::new();
    for section in sections {
        let mut heading: [String; 6] = Default::default();
        heading[2] = format!("**{}**", section.title);
        rows.push(heading);
        rows.extend(section.rows.iter().map(Row::cells));
    }
    let head = ["ratio", "range", "case", "against", "measured", "goal"];
    grid(head, &rows)
}

/// The goals alone, each beside the rival that comes closest.
#[must_use]
pub fn goals(sections: &[Section]) -> String {
    let mut rows = Vec::new();
    for section in sections {
        for row in &section.rows {
            let Some(verdict) = &row.goal else { continue };
            let rival = section
                .best_rival(&verdict.by)
                .map_or_else(String::new, |(rival, value)| {
                    format!("{}: {}", rival.case, short(value.abs()))
                });
            rows.push([
                if verdict.met { "met" } else { "MISSED" }.to_owned(),
                row.case.clone(),
                verdict.goal.clone(),
                verdict.measured.clone(),
                rival,
            ]);
        }
    }
    let head = ["", "case", "goal", "measured", "best rival"];
    grid(head, &rows)
}

/// How many goals there are, and which are missed.
#[must_use]
pub fn missed(sections: &[Section]) -> (usize, Vec<&str>) {
    let judged = || {
        let rows = sections.iter().flat_map(|section| &section.rows);
        rows.filter_map(|row| Some((row.case.as_str(), row.goal.as_ref()?)))
    };
    let missed = judged()
        .filter(|(_, verdict)| !verdict.met)
        .map(|(case, _)| case)
        .collect();
    (judged().count(), missed)
}

/// What must be known to read the table.
#[must_use]
pub fn notes(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections.iter().filter(|section| !section.note.is_empty()) {
        let _ = writeln!(text, "- **{}**: {}", section.title, section.note);
    }
    text
}

/// All results for machines.
#[must_use]
pub fn json(sections: &[Section]) -> Value {
    let sections = sections.iter().map(|section| {
        let rows: Vec<Value> = section.rows.iter().map(Row::json).collect();
        json!({ "title": section.title, "note": section.note, "rows": rows })
    });
    Value::Array(sections.collect())
}

/// A Markdown table whose source is aligned too.
#[must_use]
pub fn grid<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(head[column].len()).max(3)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    };
    line(head);
    let rules: [String; N] = std::array::from_fn(|column| "-".repeat(widths[column]));
    line(std::array::from_fn(|column| rules[column].as_str()));
    for row in rows {
        line(std::array::from_fn(|column| row[column].as_str()));
    }
    text
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        let spread = Spread::of([1.5, 1.0, 2.0]);
        let verdict = |met| {
            Some(Verdict {
                goal: "≤ 60 instructions".into(),
                measured: "53".into(),
                met,
                by: By::Figure("instructions".into()),
            })
        };
        let ours = Row::new("timeout/R0", "bare/R0")
            .ratio(spread)
            .over("ns", 12.34)
            .over("instructions", 53.0);
        let rows = vec![
            ours.clone().goal(verdict(true)),
            Row::new("slow/R0", "bare/R0").goal(verdict(false)),
            Row::new("a::timeout/R0", "bare/R0").over("instructions", 600.0),
            Row::new("b::timeout/R0", "bare/R0").over("instructions", 186.0),
            Row::new("floor::timeout/R0", "bare/R0").over("instructions", 17.0),
            Row::new("c::timeout/R0", "bare/R0").figure("calls/s", 1e6),
        ];
        vec![Section::new("timeout", "ready at once", rows)]
    }

    #[test]
    fn the_table_begins_with_ratios_and_is_aligned() {
        let text = results(&sections());
        let lines: Vec<&str> = text.lines().collect();
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        assert!(lines[0].starts_with("| ratio | range"));
        assert!(lines[2].contains("**timeout**"));
        assert!(
            lines[3].starts_with("| 1.50  | 1.00-2.00 | timeout/R0 "),
            "{text}"
        );
        assert!(lines[3].contains("+12.3 ns, +53.0 instructions"));
        assert!(lines[3].ends_with("≤ 60 instructions: met    |"), "{text}");
        assert!(lines[8].contains("| 1 000 000 calls/s "));
    }

    #[test]
    fn a_goal_stands_beside_the_best_rival_and_never_beside_a_floor() {
        let text = goals(&sections());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[2].starts_with("| met    | timeout/R0 | ≤ 60 instructions"));
        assert!(lines[2].contains("b::timeout/R0: 186"), "{text}");
        assert!(lines[3].starts_with("| MISSED | slow/R0"));
        assert_eq!(missed(&sections()), (2, vec!["slow/R0"]));
    }

    #[test]
    fn ratios_decide_in_either_direction() {
        let row = |case: &str, ratio| Row::new(case, "bare").ratio(Spread::of([ratio]));
        let rows = vec![row("a::x", 0.3), row("b::x", 0.8), row("ours", 1.8)];
        let section = Section::new("threads", "", rows);
        assert_eq!(section.best_rival(&By::HighRatio).unwrap().0.case, "b::x");
        assert_eq!(section.best_rival(&By::LowRatio).unwrap().0.case, "a::x");
        assert!(section.best_rival(&By::Figure("ns".into())).is_none());
        assert_eq!(notes(&[section]), "");
    }

    #[test]
    fn results_cross_to_another_process() {
        let sent = serde_json::to_string(&sections()).unwrap();
        let read: Vec<Section> = serde_json::from_str(&sent).unwrap();
        assert_eq!(goals(&read), goals(&sections()));
        assert_eq!(results(&read), results(&sections()));
    }

    #[test]
    fn machines_are_told_the_same() {
        let json = json(&sections());
        let row = &json[0]["rows"][0];
        assert_eq!(row["case"], "timeout/R0");
        assert_eq!(row["ratio"], 1.5);
        assert_eq!(row["instructions_more"], 53.0);
        assert_eq!(row["met"], true);
        assert!(json[0]["rows"][5]["met"].is_null());
    }
}
