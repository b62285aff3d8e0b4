// Reads a chat template into a tree. What the subset does not have is refused here, by name and line.
#pragma once

#include "cmoe/io/template_tokens.hpp"
#include "cmoe/io/template_tree.hpp"

namespace cmoe {

namespace detail {

// By descent; expressions bind as Jinja's do: or, and, not, comparison, + -, ~, * / // %, sign, then . [] () and | is.
class TemplateParser {
 public:
  TemplateParser(std::string_view source, const std::string& name) : name_(name), tokens_(template_tokens(source, name)) {}

  std::vector<TemplateStatement> parse() {
    std::vector<TemplateStatement> all = body(0);
    if (kind() == Token::end) return all;
    refuse("'", tokens_[at_ + 1].text, "' ends nothing");
  }

 private:
  using Token = TemplateToken::Kind;
  using Expression = TemplateExpression;
  using Statement = TemplateStatement;
  static constexpr int deepest = 64;

  Token kind() const { return tokens_[at_].kind; }
  bool sign(std::string_view text) const { return kind() == Token::sign && tokens_[at_].text == text; }
  bool word(std::string_view text) const { return kind() == Token::name && tokens_[at_].text == text; }
  bool take(bool there) { return there && (++at_, true); }
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::format, name_, ": line ", tokens_[at_].line, ": ", parts...);
  }
  std::string here() const {
    switch (kind()) {
      case Token::tag_end: return "%}";
      case Token::print_end: return "}}";
      case Token::number: return std::to_string(tokens_[at_].number);
      default: return printable(tokens_[at_].text);
    }
  }
  void need(bool there, std::string_view what) {
    if (!take(there)) refuse("'", here(), "' where ", what, " is needed");
  }
  void need_sign(std::string_view text) { need(sign(text), text); }
  std::string need_name() {
    const std::string text = tokens_[at_].text;
    need(kind() == Token::name, "a name");
    return text;
  }
  std::string need_variable() {
    if (word("true") || word("True") || word("false") || word("False") || word("none") || word("None")) refuse("'", here(), "' is no variable");
    return need_name();
  }

  // Up to a tag that ends or divides a statement, which is not taken, or to the end of the template.
  std::vector<Statement> body(int depth) {
    if (depth > deepest) refuse("statements are nested deeper than ", deepest);
    std::vector<Statement> all;
    while (kind() != Token::end) {
      Statement made;
      made.line = tokens_[at_].line;
      if (kind() == Token::text) {
        made.text = tokens_[at_++].text;
      } else if (take(kind() == Token::print_begin)) {
        made.kind = Statement::Kind::print;
        made.expressions.push_back(expression());
        need(kind() == Token::print_end, "}}");
      } else {
        const std::string& first = tokens_[at_ + 1].text;
        if (first.starts_with("end") || first == "else" || first == "elif") return all;
        ++at_;
        if (first == "generation") {  // marks what a model is trained on; writes its contents
          for (Statement& inner : marked(depth)) all.push_back(std::move(inner));
          continue;
        }
        made = tag(depth);
      }
      all.push_back(std::move(made));
    }
    return all;
  }

  std::vector<Statement> marked(int depth) {
    ++at_, need(kind() == Token::tag_end, "%}");
    std::vector<Statement> inner = body(depth + 1);
    end_tag("endgeneration");
    return inner;
  }

  void begin_tag(const std::string& name) {
    if (kind() == Token::end) refuse("'", name, "' is missing at the end of the template");
    ++at_;
    need(word(name), name);
  }
  void end_tag(const std::string& name) {
    begin_tag(name);
    need(kind() == Token::tag_end, "%}");
  }

  Statement tag(int depth) {
    Statement made;
    made.line = tokens_[at_].line;
    const std::string what = need_name();
    if (what == "if") {
      made.kind = Statement::Kind::branch;
      branch(made, depth);
    } else if (what == "for") {
      made.kind = Statement::Kind::loop;
      loop(made, depth);
    } else if (what == "set") {
      made.kind = Statement::Kind::set;
      made.names.push_back(need_variable());
      if (take(sign("."))) made.names.push_back(need_name());
      if (!sign("=")) refuse("{% set ", made.names[0], " ... %} without '=', or of several names, is not read");
      ++at_;
      made.expressions.push_back(expression());
      need(kind() == Token::tag_end, "%}");
    } else {
      --at_;
      refuse("the tag {% ", printable(what), " %} is not read; if, for, set and generation are");
    }
    return made;
  }

  void branch(Statement& made, int depth) {
    made.expressions.push_back(expression());
    while (true) {
      need(kind() == Token::tag_end, "%}");
      made.bodies.push_back(body(depth + 1));
      const bool last = made.bodies.size() > made.expressions.size();
      if (last || kind() == Token::end || tokens_[at_ + 1].text != "elif") break;
      at_ += 2;
      made.expressions.push_back(expression());
    }
    if (made.bodies.size() == made.expressions.size() && kind() != Token::end && tokens_[at_ + 1].text == "else") {
      end_tag("else");
      made.bodies.push_back(body(depth + 1));
    }
    end_tag("endif");
  }

  void loop(Statement& made, int depth) {
    do made.names.push_back(need_variable());
    while (take(sign(",")));
    need(word("in"), "in");
    made.expressions.push_back(either());  // no choice: `if` chooses the items here
    if (take(word("if"))) made.expressions.push_back(expression());
    if (word("recursive")) refuse("a recursive loop is not read");
    need(kind() == Token::tag_end, "%}");
    made.bodies.push_back(body(depth + 1));
    if (kind() != Token::end && tokens_[at_ + 1].text == "else") {
      end_tag("else");
      made.bodies.push_back(body(depth + 1));
    }
    end_tag("endfor");
  }

  Expression make(Expression::Kind kind, std::vector<Expression> children, std::string text = {}) const {
    Expression made;
    made.kind = kind;
    made.line = tokens_[at_].line;
    made.text = std::move(text);
    for (const Expression& child : children) made.depth = std::max(made.depth, child.depth + 1);
    if (made.depth > 4 * deepest) refuse("an expression is nested deeper than ", 4 * deepest);
    made.children = std::move(children);
    return made;
  }
  static std::vector<Expression> list_of(auto&&... parts) {
    std::vector<Expression> all;
    (all.push_back(std::move(parts)), ...);
    return all;
  }
  Expression literal(TemplateValue value) const {
    Expression made = make(Expression::Kind::literal, {});
    made.value = std::move(value);
    return made;
  }

  Expression expression() {
    if (++nested_ > deepest) refuse("an expression is nested deeper than ", deepest);
    Expression made = either();
    while (take(word("if"))) {
      Expression condition = either();
      Expression other = take(word("else")) ? expression() : literal(TemplateValue::undefined("a choice without else"));
      made = make(Expression::Kind::choice, list_of(made, condition, other));
    }
    --nested_;
    return made;
  }
  Expression either() {
    Expression made = both();
    while (take(word("or"))) {
      Expression right = both();
      made = make(Expression::Kind::either, list_of(made, right));
    }
    return made;
  }
  Expression both() {
    Expression made = negation();
    while (take(word("and"))) {
      Expression right = negation();
      made = make(Expression::Kind::both, list_of(made, right));
    }
    return made;
  }
  Expression negation() {
    int count = 0;
    while (take(word("not"))) ++count;
    Expression made = comparison();
    for (; count > 0; --count) made = make(Expression::Kind::negation, list_of(made));
    return made;
  }
  Expression comparison() {
    std::vector<Expression> parts;
    std::vector<std::string> words;
    parts.push_back(sum());
    while (true) {
      const bool not_in = word("not") && tokens_[at_ + 1].kind == Token::name && tokens_[at_ + 1].text == "in";
      const bool known = sign("==") || sign("!=") || sign("<") || sign("<=") || sign(">") || sign(">=") || word("in") || not_in;
      if (!known) break;
      words.push_back(not_in ? "not in" : tokens_[at_].text);
      at_ += not_in ? 2 : 1;
      parts.push_back(sum());
    }
    if (words.empty()) return std::move(parts[0]);
    Expression made = make(Expression::Kind::comparison, std::move(parts));
    made.words = std::move(words);
    return made;
  }
  Expression operation(auto&& operand, std::initializer_list<std::string_view> signs) {
    Expression made = operand();
    while (kind() == Token::sign && std::find(signs.begin(), signs.end(), tokens_[at_].text) != signs.end()) {
      const std::string which = tokens_[at_++].text;
      Expression right = operand();
      made = make(Expression::Kind::operation, list_of(made, right), which);
    }
    return made;
  }
  Expression sum() {
    return operation([&] { return operation([&] { return product(); }, {"~"}); }, {"+", "-"});
  }
  Expression product() {
    Expression made = operation([&] { return signed_one(); }, {"*", "//", "%"});
    if (sign("/") || sign("**")) refuse("the operator ", tokens_[at_].text, " is not read");
    return made;
  }
  Expression signed_one() {
    if (sign("+")) refuse("a sign + is not read");
    if (!take(sign("-"))) return filtered(postfixed(primary()));
    if (sign("-")) refuse("two signs are not read");
    Expression inner = postfixed(primary());
    return filtered(make(Expression::Kind::minus, list_of(inner)));
  }

  Expression primary() {
    const TemplateToken& token = tokens_[at_];
    switch (token.kind) {
      case Token::number: return ++at_, literal(token.number);
      case Token::string: {
        std::string text;
        while (kind() == Token::string) text += tokens_[at_++].text;
        return literal(std::move(text));
      }
      case Token::name: {
        ++at_;
        if (token.text == "true" || token.text == "True") return literal(true);
        if (token.text == "false" || token.text == "False") return literal(false);
        if (token.text == "none" || token.text == "None") return literal(TemplateValue::none());
        if (!sign("(")) return make(Expression::Kind::name, {}, token.text);
        return with_arguments(make(Expression::Kind::call, {}, token.text));
      }
      default: break;
    }
    if (take(sign("("))) {
      Expression first = expression();
      if (!sign(",")) return need_sign(")"), first;
      return listed(std::move(first), ")");
    }
    if (take(sign("["))) return take(sign("]")) ? make(Expression::Kind::list, {}) : listed(expression(), "]");
    if (sign("{")) refuse("an object { } is not read");
    refuse("'", here(), "' where an expression is needed");
  }

  // The rest of a list or a tuple behind its first element.
  Expression listed(Expression first, std::string_view end) {
    std::vector<Expression> all = list_of(first);
    while (take(sign(",")) && !sign(end)) all.push_back(expression());
    need_sign(end);
    return make(Expression::Kind::list, std::move(all));
  }

  // (a, b, name=c)
  Expression with_arguments(Expression made) {
    need_sign("(");
    std::vector<Expression> all = std::move(made.children);
    while (!sign(")")) {
      const bool named = kind() == Token::name && tokens_[at_ + 1].kind == Token::sign && tokens_[at_ + 1].text == "=";
      if (named) {
        made.words.push_back(tokens_[at_].text);
        at_ += 2;
      } else if (!made.words.empty()) {
        refuse("an argument without a name behind one with a name");
      }
      all.push_back(expression());
      if (!take(sign(","))) break;
    }
    need_sign(")");
    Expression called = make(made.kind, std::move(all), made.text);
    called.words = std::move(made.words);
    return called;
  }

  Expression postfixed(Expression made) {
    while (true) {
      if (take(sign("."))) {
        const bool number = kind() == Token::number;
        if (number) {
          made = make(Expression::Kind::item, list_of(made, literal(tokens_[at_++].number)));
          continue;
        }
        const std::string name = need_name();
        made = make(sign("(") ? Expression::Kind::method : Expression::Kind::access, list_of(made), name);
        if (sign("(")) made = with_arguments(std::move(made));
      } else if (take(sign("["))) {
        made = subscript(std::move(made));
      } else if (sign("(")) {
        refuse("only functions and methods by their names are called");
      } else {
        return made;
      }
    }
  }

  Expression subscript(Expression made) {
    std::vector<Expression> parts = list_of(made);
    bool slice = false;
    const auto part = [&] { parts.push_back(sign(":") || sign("]") ? literal(TemplateValue::none()) : expression()); };
    part();
    while (parts.size() < 4 && take(sign(":"))) {
      slice = true;
      part();
    }
    if (sign("]") && !slice && parts[1].kind == Expression::Kind::literal && parts[1].value.is_none()) refuse("[] without an index");
    need_sign("]");
    while (slice && parts.size() < 4) parts.push_back(literal(TemplateValue::none()));
    return make(slice ? Expression::Kind::slice : Expression::Kind::item, std::move(parts));
  }

  Expression filtered(Expression made) {
    while (true) {
      if (take(sign("|"))) {
        made = make(Expression::Kind::filter, list_of(made), need_name());
        if (sign("(")) made = with_arguments(std::move(made));
      } else if (take(word("is"))) {
        const bool no = take(word("not"));
        made = make(Expression::Kind::test, list_of(made), need_name());
        const bool goes_on = word("and") || word("or") || word("else") || word("if") || word("in") || word("not");
        const bool argument = kind() == Token::number || kind() == Token::string || sign("(") || sign("[") || (kind() == Token::name && !goes_on);
        if (argument) refuse("the test '", made.text, "' with an argument is not read");
        if (no) made = make(Expression::Kind::negation, list_of(made));
      } else {
        return made;
      }
    }
  }

  const std::string& name_;
  std::vector<TemplateToken> tokens_;
  std::size_t at_ = 0;
  int nested_ = 0;
};

}  // namespace detail

// throws Error (format) naming the line and what the subset does not have
inline std::vector<TemplateStatement> parse_template(std::string_view source, const std::string& name) {
  return detail::TemplateParser(source, name).parse();
}

}  // namespace cmoe
