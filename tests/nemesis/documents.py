"""What clients ask. Texts that stay, with variables: documents are validated once."""

_ROW = "id name description price { amount } version category { slug }"
_PRODUCT = f"{_ROW} stock stats {{ views unitsSold }}"
_ERRORS = "errors { code message }"

CATALOGUE = (
    "query Catalogue($a: ID!, $b: ID!, $c: ID!, $d: ID!) {"
    + "".join(f" {name}: product(id: ${name}) {{ {_PRODUCT} }}" for name in "abcd")
    + " }"
)
LIST = (
    "query List($slug: String!) { products(filter: { categorySlug: $slug }, first: 50) {"
    f" totalCount edges {{ node {{ {_ROW} }} }} }} }}"
)
ME = (
    "{ me { id name version email loyaltyPoints orders(first: 5) { totalCount"
    " edges { node { id status customer { id } } } } } }"
)
PERSON = (
    "query Person($id: ID!) { user(id: $id) { id name email loyaltyPoints"
    " orders(first: 3) { totalCount edges { node { id status customer { id } } } } } }"
)
ORDER = "query Order($id: ID!) { order(id: $id) { id status customer { id } } }"
BOARD = (
    "query Board($slug: String!, $players: [ID!]!) { leaderboard(slug: $slug) { window {"
    " freshness entries(players: $players) { player score } } } }"
)

EDIT = (
    "mutation Edit($a: UpdateProductInput!, $b: UpdateProductInput!,"
    " $c: UpdateProductInput!, $d: UpdateProductInput!) {"
    + "".join(
        f" {name}: updateProduct(input: ${name}) {{ product {{ {_ROW} }} {_ERRORS} }}"
        for name in "abcd"
    )
    + " }"
)
MOVE = (
    f"mutation Move($a: UpdateProductInput!) {{ a: updateProduct(input: $a)"
    f" {{ product {{ {_ROW} }} {_ERRORS} }} }}"
)
PLACE = (
    "mutation Place($a: PlaceOrderInput!) { a: placeOrder(input: $a)"
    f" {{ order {{ id status customer {{ id }} }} {_ERRORS} }} }}"
)
STATUS = (
    "mutation Status($a: UpdateOrderStatusInput!) { a: updateOrderStatus(input: $a)"
    f" {{ order {{ id status customer {{ id }} }} {_ERRORS} }} }}"
)
PROFILE = (
    "mutation Profile($a: UpdateProfileInput!) { a: updateProfile(input: $a)"
    f" {{ user {{ id name }} {_ERRORS} }} }}"
)
VIEW = (
    "mutation View($a: RecordProductViewInput!, $b: RecordProductViewInput!,"
    " $c: RecordProductViewInput!) {"
    + "".join(
        f" {name}: recordProductView(input: ${name})"
        f" {{ product {{ id stats {{ views }} }} {_ERRORS} }}"
        for name in "abc"
    )
    + " }"
)
SCORE = (
    "mutation Score($a: SubmitScoreInput!, $b: SubmitScoreInput!) {"
    + "".join(
        f" {name}: submitScore(input: ${name}) {{ accepted entry {{ score }} {_ERRORS} }}"
        for name in "ab"
    )
    + " }"
)
