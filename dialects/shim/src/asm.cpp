// The assembly parser and printer as C functions.

#include "mlir/CAPI/IR.h"
#include "mlir/IR/OpImplementation.h"

#include "shim.h"

using namespace mlir;

static MlirLogicalResult result(ParseResult outcome) {
  return MlirLogicalResult{static_cast<int8_t>(succeeded(outcome) ? 1 : 0)};
}

// An optional parse: 0 absent, 1 parsed, 2 failed (an error was emitted).
static int optional(OptionalParseResult outcome) { return outcome.has_value() ? (succeeded(*outcome) ? 1 : 2) : 0; }

extern "C" MlirContext thunderParserContext(ThunderAsmParser *p) { return wrap(p->parser->getContext()); }

extern "C" MlirLocation thunderParserLocation(ThunderAsmParser *p) {
  return wrap(p->parser->getEncodedSourceLoc(p->parser->getNameLoc()));
}

extern "C" const char *thunderParserHere(ThunderAsmParser *p) { return p->parser->getCurrentLocation().getPointer(); }

extern "C" void thunderParserError(ThunderAsmParser *p, const char *at, MlirStringRef message) {
  llvm::SMLoc loc = at ? llvm::SMLoc::getFromPointer(at) : p->parser->getNameLoc();
  p->parser->emitError(loc) << unwrap(message);
}

extern "C" int thunderParserPunctuation(ThunderAsmParser *p, int kind, bool isOptional) {
  AsmParser &a = *p->parser;
#define CASE(c, Name)                                                                                                  \
  case c: return succeeded(isOptional ? a.parseOptional##Name() : a.parse##Name());
  switch (kind) {
    CASE('(', LParen)
    CASE(')', RParen)
    CASE('[', LSquare)
    CASE(']', RSquare)
    CASE('{', LBrace)
    CASE('}', RBrace)
    CASE('<', Less)
    CASE('>', Greater)
    CASE(',', Comma)
    CASE(':', Colon)
    CASE('=', Equal)
    CASE('?', Question)
    CASE('*', Star)
    CASE('+', Plus)
    CASE('-', Minus)
    CASE('/', Slash)
    CASE('|', VerticalBar)
    CASE('>' << 8 | '-', Arrow)
    CASE('.', Ellipsis)
  }
#undef CASE
  return false;
}

extern "C" bool thunderParserKeyword(ThunderAsmParser *p, MlirStringRef keyword, bool isOptional) {
  StringRef text = unwrap(keyword);
  return succeeded(isOptional ? p->parser->parseOptionalKeyword(text) : p->parser->parseKeyword(text));
}

extern "C" bool thunderParserAnyKeyword(ThunderAsmParser *p, bool isOptional, MlirStringRef *text) {
  StringRef keyword;
  if (failed(isOptional ? p->parser->parseOptionalKeyword(&keyword) : p->parser->parseKeyword(&keyword))) return false;
  *text = wrap(keyword);
  return true;
}

extern "C" bool thunderParserString(ThunderAsmParser *p, bool isOptional, MlirStringRef *text) {
  if (failed(isOptional ? p->parser->parseOptionalString(&p->text) : p->parser->parseString(&p->text))) return false;
  *text = wrap(StringRef(p->text));
  return true;
}

extern "C" int thunderParserInteger(ThunderAsmParser *p, int64_t *value) {
  return optional(p->parser->parseOptionalInteger(*value));
}

extern "C" MlirLogicalResult thunderParserFloat(ThunderAsmParser *p, double *value) {
  return result(p->parser->parseFloat(*value));
}

extern "C" int thunderParserType(ThunderAsmParser *p, bool isOptional, MlirType *out) {
  Type type;
  int outcome = optional(isOptional ? p->parser->parseOptionalType(type)
                                    : OptionalParseResult(p->parser->parseType(type)));
  *out = wrap(type);
  return outcome;
}

extern "C" MlirAttribute thunderParserAttribute(ThunderAsmParser *p, MlirType type) {
  Attribute attr;
  return wrap(succeeded(p->parser->parseAttribute(attr, unwrap(type))) ? attr : Attribute());
}

extern "C" MlirAttribute thunderParserSymbolName(ThunderAsmParser *p) {
  StringAttr name;
  return wrap(succeeded(p->parser->parseSymbolName(name)) ? Attribute(name) : Attribute());
}

extern "C" MlirLogicalResult thunderParserAttrDict(ThunderAsmParser *p, bool withKeyword) {
  NamedAttrList &into = p->state->attributes;
  return result(withKeyword ? p->parser->parseOptionalAttrDictWithKeyword(into)
                            : p->parser->parseOptionalAttrDict(into));
}

/// Parses an operand and returns its index among those parsed, -1 where an
/// optional one is absent, -2 on error.
extern "C" int64_t thunderParserOperand(ThunderAsmParser *p, bool isOptional) {
  OpAsmParser::UnresolvedOperand operand;
  int outcome = optional(isOptional ? p->opParser->parseOptionalOperand(operand)
                                    : OptionalParseResult(p->opParser->parseOperand(operand)));
  if (outcome != 1) return outcome == 0 ? -1 : -2;
  p->operands.push_back(operand);
  return p->operands.size() - 1;
}

extern "C" const char *thunderParserOperandLocation(ThunderAsmParser *p, int64_t index) {
  return p->operands[index].location.getPointer();
}

extern "C" MlirValue thunderParserResolve(ThunderAsmParser *p, int64_t index, MlirType type) {
  size_t before = p->state->operands.size();
  if (failed(p->opParser->resolveOperand(p->operands[index], unwrap(type), p->state->operands)))
    return MlirValue{nullptr};
  return wrap(p->state->operands[before]);
}

extern "C" MlirLogicalResult thunderParserRegion(ThunderAsmParser *p, intptr_t nArguments, const int64_t *arguments,
                                                 const MlirType *types) {
  SmallVector<OpAsmParser::Argument> args;
  for (intptr_t i = 0; i < nArguments; ++i) {
    OpAsmParser::Argument arg;
    arg.ssaName = p->operands[arguments[i]];
    arg.type = unwrap(types[i]);
    args.push_back(arg);
  }
  return result(p->opParser->parseRegion(*p->state->addRegion(), args));
}

extern "C" int thunderParserOptionalRegion(ThunderAsmParser *p) {
  auto region = std::make_unique<Region>();
  int outcome = optional(p->opParser->parseOptionalRegion(*region));
  if (outcome == 1) p->state->addRegion(std::move(region));
  return outcome;
}

extern "C" void thunderParserEmptyRegion(ThunderAsmParser *p) { p->state->addRegion(); }

/// Parses the name and, where it is given, the type of a region's argument.
extern "C" int64_t thunderParserArgument(ThunderAsmParser *p, MlirType *type) {
  OpAsmParser::Argument arg;
  if (failed(p->opParser->parseArgument(arg, /*allowType=*/true))) return -2;
  p->operands.push_back(arg.ssaName);
  *type = wrap(arg.type);
  return p->operands.size() - 1;
}

extern "C" int thunderParserSuccessor(ThunderAsmParser *p, bool isOptional) {
  Block *block = nullptr;
  int outcome = optional(isOptional ? p->opParser->parseOptionalSuccessor(block)
                                    : OptionalParseResult(p->opParser->parseSuccessor(block)));
  if (outcome == 1) p->state->addSuccessors(block);
  return outcome;
}

extern "C" void thunderParserAddAttribute(ThunderAsmParser *p, MlirStringRef name, MlirAttribute value) {
  p->state->attributes.set(unwrap(name), unwrap(value));
}

extern "C" MlirAttribute thunderParserGetAttribute(ThunderAsmParser *p, MlirStringRef name) {
  return wrap(p->state->attributes.get(unwrap(name)));
}

extern "C" MlirAttribute thunderParserAttributes(ThunderAsmParser *p) {
  return wrap(Attribute(p->state->attributes.getDictionary(p->parser->getContext())));
}

extern "C" void thunderParserAddTypes(ThunderAsmParser *p, intptr_t n, const MlirType *types) {
  for (intptr_t i = 0; i < n; ++i) p->state->addTypes(unwrap(types[i]));
}

extern "C" void thunderPrinterText(ThunderAsmPrinter *p, MlirStringRef text) {
  p->printer->getStream() << unwrap(text);
}

extern "C" void thunderPrinterString(ThunderAsmPrinter *p, MlirStringRef text) {
  p->printer->printString(unwrap(text));
}

extern "C" void thunderPrinterSymbolName(ThunderAsmPrinter *p, MlirStringRef text) {
  p->printer->printSymbolName(unwrap(text));
}

extern "C" void thunderPrinterType(ThunderAsmPrinter *p, MlirType type) { p->printer->printType(unwrap(type)); }

extern "C" void thunderPrinterAttribute(ThunderAsmPrinter *p, MlirAttribute attr, bool withType) {
  withType ? p->printer->printAttribute(unwrap(attr)) : p->printer->printAttributeWithoutType(unwrap(attr));
}

extern "C" void thunderPrinterOperand(ThunderAsmPrinter *p, MlirValue value) {
  p->opPrinter->printOperand(unwrap(value));
}

extern "C" void thunderPrinterRegion(ThunderAsmPrinter *p, MlirRegion region, bool entryArguments, bool terminators) {
  p->opPrinter->printRegion(*unwrap(region), entryArguments, terminators,
                            /*printEmptyBlock=*/false);
}

extern "C" void thunderPrinterSuccessor(ThunderAsmPrinter *p, MlirBlock block) {
  p->opPrinter->printSuccessor(unwrap(block));
}

extern "C" void thunderPrinterAttrDict(ThunderAsmPrinter *p, MlirOperation op, intptr_t nElided,
                                       const MlirStringRef *elided, bool withKeyword) {
  SmallVector<StringRef> names;
  for (intptr_t i = 0; i < nElided; ++i) names.push_back(unwrap(elided[i]));
  auto print = withKeyword ? &OpAsmPrinter::printOptionalAttrDictWithKeyword : &OpAsmPrinter::printOptionalAttrDict;
  (p->opPrinter->*print)(unwrap(op)->getAttrs(), names);
}
