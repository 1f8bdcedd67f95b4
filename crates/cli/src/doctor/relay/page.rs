//! A relay's `/metrics`, read back (<https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4).

/// One line: the metric's name, its labels, its value.
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// A page; what is no sample is left out.
pub(super) struct Page(Vec<Sample>);

impl Page {
    pub(super) fn read(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    /// Every line of a metric: its labels by name, and its value.
    pub(super) fn all<'p>(
        &'p self,
        name: &'p str,
    ) -> impl Iterator<Item = (impl Fn(&str) -> Option<&'p str>, f64)> {
        self.0.iter().filter(move |sample| sample.name == name).map(|sample| {
            let label = |wanted: &str| {
                let found = sample.labels.iter().find(|(label, _)| label == wanted);
                found.map(|(_, text)| text.as_str())
            };
            (label, sample.value)
        })
    }

    /// The value of a metric without labels.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|sample| sample.name == name).map(|sample| sample.value)
    }

    /// One label of a metric that has one line.
    pub(super) fn label(&self, name: &str, label: &str) -> Option<&str> {
        let sample = self.0.iter().find(|sample| sample.name == name)?;
        sample.labels.iter().find(|(known, _)| known == label).map(|(_, text)| text.as_str())
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (text, after) = quoted(after)?;
            labels.push((label.trim_start_matches(',').to_owned(), text));
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.starts_with('#')).then(|| Sample { name: name.to_owned(), labels, value })
}

/// A label's text up to its closing quote, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((found, &text[at + 1..])),
            '\\' => found.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => found.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_and_everything_else_left_out() {
        let page = Page::read(
            "# HELP a what it is\n# TYPE a gauge\na 1\nb{lane=\"x \\\"y\\\" \\\\ \\n}\",state=\"held\"} 2.5\nb{lane=\"-\"} 3 1700000000\n\
             c{} 4\n\nd{lane=\"open\ne{lane} 1\nf\ng x\n",
        );
        assert_eq!((page.value("a"), page.value("c"), page.value("g")), (Some(1.0), Some(4.0), None));
        assert_eq!(page.0.len(), 4);
        assert_eq!(page.label("b", "lane"), Some("x \"y\" \\ \n}"));
        let all: Vec<_> =
            page.all("b").map(|(label, value)| (label("state").map(str::to_owned), value)).collect();
        assert_eq!(all, [(Some("held".to_owned()), 2.5), (None, 3.0)]);
    }
}
