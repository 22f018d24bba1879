# What several of the benches need. Sourced, not run.

# The middle of the numbers on standard input, one a line.
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# text_tree FILES LINES: one commit on main with so many files of so many lines, for git fast-import.
text_tree() {
    awk -v files="$1" -v lines="$2" 'BEGIN {
        print "commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000"
        print "data 5\nfirst"
        for (n = 1; n <= files; n++) {
            text = ""
            for (line = 1; line <= lines; line++)
                text = text sprintf("line %d of file %d: some words to fill it\n", line, n)
            printf "M 100644 inline dir%d/file%d.txt\ndata %d\n%s\n", n % 50, n, length(text), text
        }
    }'
}
