"""What the headers declare: a scanner for this library's own layout, used by scripts/undocumented and by Doxygen's filter.

It knows blocks (namespace, type, body) by their braces and tells comments from code. It is no parser: it relies on declarations that
begin a line, as they do here.
"""
import re


class Line:
    """A line and the innermost block at its beginning ('namespace', 'type' or 'body').

    fresh: a declaration may begin here. hidden: inside of a namespace detail, an anonymous one, or the private part of a type.
    """

    def __init__(self, text, kind, names, hidden, fresh):
        self.text, self.kind, self.names, self.hidden, self.fresh = text, kind, names, hidden, fresh

    @property
    def comment_only(self):
        return self.text.lstrip().startswith("//")

    @property
    def code(self):
        return code_of(self.text).strip()


def code_of(line):
    """The line without its comment; strings and characters are emptied."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    line = re.sub(r"'(\\.|[^'\\])'", "''", line)
    return line.split("//")[0]


def without_template(head):
    """A declaration without the parameter lists behind `template`."""
    while (found := re.search(r"\btemplate\s*<", head)):
        at, depth = found.end(), 1
        while depth and at < len(head):
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[:found.start()] + head[at:]
    return head.strip()


def block_kind(head):
    head = without_template(head)
    if found := re.match(r"(inline\s+)?namespace\b\s*([\w:]*)", head):
        return "namespace", found.group(2)
    if found := re.search(r"\b(struct|class|union|enum(?:\s+class)?)\s+(\w+)[^()=]*$", head):
        return "type", found.group(2)
    return "body", ""


def scan(text):
    lines, raw, pending, parens = [], False, "", 0
    stack = [("namespace", "", False, 0)]  # kind, name, hidden, parentheses open around it
    private = [False]
    for line in text.splitlines():
        fresh = not raw and parens == 0 and not pending.strip()
        hidden = any(block[2] for block in stack) or any(private)
        lines.append(Line(line, stack[-1][0], [block[1] for block in stack if block[1]], hidden, fresh))
        if raw:
            raw = ')"' not in line
            continue
        if 'R"(' in line and ')"' not in line.split('R"(', 1)[1]:
            raw, line = True, line.split('R"(', 1)[0]
        code = code_of(line)
        if code.lstrip().startswith("#"):
            continue
        access = re.match(r"\s*(public|private|protected):", code)
        if fresh and stack[-1][0] == "type" and access:
            private[-1] = access.group(1) != "public"
            continue
        for c in code:
            if c in "()":
                parens += 1 if c == "(" else -1
                pending += c
            elif c == "{":
                kind, name = block_kind(pending) if parens == 0 else ("body", "")
                if stack[-1][0] == "body":
                    kind = "body"
                hides = kind == "namespace" and (name == "" or name.split("::")[-1] == "detail")
                stack.append((kind, name, hides, parens))
                private.append(kind == "type" and bool(re.search(r"\bclass\s+\w+[^()=]*$", without_template(pending))) and "enum" not in pending)
                if parens == 0:
                    pending = ""
                parens = 0
            elif c == "}" and len(stack) > 1:
                parens = stack.pop()[3]
                private.pop()
                if parens == 0:
                    pending = ""
            elif c == ";" and parens == 0:
                pending = ""
            else:
                pending += c
        if pending.strip():
            pending += " "
    return lines
