// A chat template as a tree: statements, and the expressions in them.
#pragma once

#include "cmoe/io/template_value.hpp"

namespace cmoe {

// What has a value.
struct TemplateExpression {
  // operation: two operands and a sign; comparison: children a b c .. with `words` between them; access: children[0].text;
  // item: children[0][children[1]]; slice: children[0][children[1]:[2]:[3]], literals none where left out; call: text(children);
  // method: children[0].text(rest); filter: children[0]|text(rest); test: children[0] is text; choice: [0] if [1] else [2]
  enum class Kind {
    literal, name, access, item, slice, call, method, filter, test, negation, minus, operation, comparison, both, either, choice, list
  };
  Kind kind = Kind::literal;
  int line = 1, depth = 1;
  std::string text;
  TemplateValue value;
  std::vector<TemplateExpression> children;
  std::vector<std::string> words;  // of a call: the names of its last arguments
};

// What stands in a template's body.
struct TemplateStatement {
  // branch: bodies[i] if expressions[i], one more body for else; loop: names over expressions[0], where expressions[1] if it is there,
  // bodies[1] if there was nothing; set: names[0], or its field names[1]
  enum class Kind { text, print, branch, loop, set };
  Kind kind = Kind::text;
  int line = 1;
  std::string text;
  std::vector<std::string> names;
  std::vector<TemplateExpression> expressions;
  std::vector<std::vector<TemplateStatement>> bodies;
};

}  // namespace cmoe
