package simulator

// topics are the words that Posts are about: every Post has exactly one of
// them, each as likely as any other, so that a rule of k topics matches
// k in 50 Posts. All have topicLength letters, for they are written over each
// other in place.
var topics = [...]string{
	"basket", "bridge", "camera", "candle", "castle", "coffee", "cookie", "cotton", "desert", "dragon",
	"energy", "engine", "family", "flower", "forest", "galaxy", "garden", "guitar", "hammer", "harbor",
	"hockey", "island", "jacket", "kitten", "lawyer", "marble", "market", "mirror", "museum", "orange",
	"parade", "parrot", "pencil", "planet", "pocket", "puzzle", "rabbit", "recipe", "rocket", "school",
	"silver", "soccer", "sunset", "temple", "ticket", "travel", "tunnel", "violin", "window", "winter",
}

const topicLength = 6

// topicMark stands for the topic in the texts of a template.
const topicMark = "\x01\x01\x01\x01\x01\x01"

// language is one row of the vocabulary. Where a sentence has a %, the topic
// is put in. No sentence has a topic word of its own.
type language struct {
	code      string
	weight    int // in 100 Posts
	sentences []string
	names     []string
	places    []string
}

var languages = []language{
	{code: "en", weight: 34,
		sentences: []string{
			"Nothing beats a good % on a slow morning.", "Can anyone explain why the % is trending again?",
			"I said \"never again\" and then bought another %.", "New thread: what ten years with a % taught me",
			"That % though... can't stop thinking about it", "Is it just me or is every % worse than it was?",
			"The path is C:\\users\\me\\% and it still won't open", "We're hiring! Come and work on % with us.",
			"BREAKING: % prices rise 4.2% in a week, officials say", "my whole feed is % & I'm not even mad <3",
		},
		names:  []string{"Avery Stone", "Jordan \"JJ\" Blake", "Café Noir", "Sam O'Neill", "Riley | off work", "The Daily Byte"},
		places: []string{"Manchester, England", "Portland, OR", "Lagos, Nigeria"}},
	{code: "ja", weight: 17,
		sentences: []string{
			"今日は % の話をしたいと思います。", "やっと % が届いた!開けるのが楽しみ。", "朝から % のことばかり考えている…",
			"【速報】 % が話題になっています", "友だちに % を教えてもらった。ありがとう!", "誰か % に詳しい人いませんか?",
		},
		names: []string{"さくら", "山田太郎@仕事垢", "ねこ好き🐈", "㈱データ研究所"}, places: []string{"東京 千代田区", "大阪 北区"}},
	{code: "es", weight: 9,
		sentences: []string{
			"¿Alguien sabe dónde comprar un buen %?", "¡Qué día! Mañana más % y menos prisa.",
			"El niño pidió % y se comió la piñata.", "Según el informe, % creció un 12 % este año.",
		},
		names: []string{"María José Núñez", "El Ñandú", "Íñigo"}, places: []string{"Ciudad de México", "Sevilla, España"}},
	{code: "pt", weight: 8,
		sentences: []string{
			"Não acredito que esqueci o % em casa...", "Amanhã tem % às 18h, quem vai?",
			"A gente só queria um % e paz no coração", "Promoção de % até sábado. É sério!",
		},
		names: []string{"João da Conceição", "Açaí & Cia", "Luísa"}, places: []string{"São Paulo, Brasil", "Porto, Portugal"}},
	{code: "ar", weight: 7,
		sentences: []string{
			"صباح الخير، اليوم نتحدث عن % مع الأصدقاء", "لا أصدق أن % أصبح بهذا السعر!",
			"ما رأيكم في % ؟ شاركونا التجربة", "عاجل: أخبار جديدة عن % قبل قليل",
		},
		names: []string{"محمد العلي", "نورة", "أخبار اليوم"}, places: []string{"الرياض, المملكة العربية السعودية", "القاهرة, مصر"}},
	{code: "ru", weight: 6,
		sentences: []string{
			"Сегодня весь день думаю про % и погоду.", "Кто-нибудь пробовал % зимой? Расскажите!",
			"«Лучше %, чем ничего», — сказала бабушка.", "Срочно: цены на % выросли на 7 %",
		},
		names: []string{"Анна Ёлкина", "Фёдор", "Новости дня"}, places: []string{"Казань, Россия", "Алматы, Қазақстан"}},
	{code: "ko", weight: 5,
		sentences: []string{
			"오늘은 % 이야기를 해볼게요.", "드디어 % 샀다! 너무 행복해", "누가 % 좀 추천해 주세요…", "[단독] % 관련 소식이 전해졌습니다",
		},
		names: []string{"김하늘", "고양이집사", "데이터랩"}, places: []string{"서울 마포구", "부산 해운대구"}},
	{code: "hi", weight: 5,
		sentences: []string{
			"आज फिर % की बात करते हैं, दोस्तों।", "क्या किसी को % के बारे में पता है?", "ज़िंदगी में % भी ज़रूरी है, क्षमा करें!",
		},
		names: []string{"प्रिया शर्मा", "आज की ख़बर", "श्री कृष्ण"}, places: []string{"नई दिल्ली, भारत", "मुंबई, भारत"}},
	{code: "fr", weight: 3,
		sentences: []string{"L'été dernier, % était déjà à la mode…", "Où est passé le % ? Ça m'énerve !", "Cœur brisé : plus de % à la boulangerie."},
		names:     []string{"Zoé Lefèvre", "L'Œil du jour"}, places: []string{"Orléans, France"}},
	{code: "de", weight: 2,
		sentences: []string{"Schöne Grüße, heute gibt's % für alle.", "Warum heißt das eigentlich % und nicht anders?"},
		names:     []string{"Jürgen Groß", "Tägliche Post"}, places: []string{"Köln, Deutschland"}},
	{code: "tr", weight: 2,
		sentences: []string{"İstanbul'da % bulmak ne kadar zor!", "Bugün % günü, ışıklar şahane."},
		names:     []string{"Çağla Işık", "Gündem"}, places: []string{"İzmir, Türkiye"}},
	{code: "qme", weight: 2,
		sentences: []string{"% 🔥🔥🔥", "👩‍👩‍👧‍👦 % 🏳️‍🌈", "🇯🇵 % 🫶🏽"},
		names:     []string{"✨🦄✨", "𝕄𝕒𝕩"}, places: []string{"🌍"}},
}

// trimmings are put between sentences: emoji of several code points joined by
// U+200D, line breaks, quotation marks, characters beyond 16 bits, separators
// that JavaScript once took for line ends.
var trimmings = []string{
	" 😂", " 👩‍💻👨‍👩‍👧‍👦", "\n\n", " 🤷🏾‍♀️", "\t—", " \"quoted\"", " \\o/", " 𝒻𝒶𝓃𝒸𝓎 𠮷野家", " e\u0301", "\u2028", " &amp; &lt;3", " ½ € ₿", " 🏴󠁧󠁢󠁥󠁮󠁧󠁿", " </script>", "\r\n", " ",
}

// annotations are the context annotations that a Post may carry.
var annotations = []struct{ domainID, domain, about, entityID, entity string }{
	{"46", "Business Taxonomy", "Categories within Brand Verticals that narrow down the scope of Brands", "1557697333571112960", "Technology Business"},
	{"30", "Entities [Entity Service]", "Entity Service top level domain, every item that is in Entity Service should be in this domain", "781974596752842752", "Services"},
	{"131", "Unified Twitter Taxonomy", "A taxonomy of user interests.", "847900493514891265", "Dining"},
	{"65", "Interests and Hobbies Vertical", "Top level interests and hobbies groupings, like Food or Travel", "848920371311001600", "Technology"},
	{"66", "Interests and Hobbies Category", "A grouping of interests and hobbies entities, like Novelty Food or Destinations", "834828264786898945", "Drinks"},
	{"123", "Ongoing News Story", "Ongoing News Stories like 'Brexit'", "1220701888179359745", "Weather"},
}

var bios = []string{
	"Opinions mine. RT ≠ endorsement.", "writes \"things\" | reads more | she/her", "Official account. Support: https://t.co/hElPdEsK01",
	"日々のことをつぶやきます。無言フォロー失礼します。", "Just here for the memes 🐸", "", "Padre, ingeniero y a veces corredor.",
	"Breaking news, analysis and long reads from all over the world, around the clock. Tips: DM us.\nPart of a network of forty local newsrooms.",
	"مهتم بالتقنية والقراءة",
}
