"""What the words of a decline say, whatever the PG and its code: rules in Korean and English, in their order.

A rule reads the text in its plain form (`text.plain`): lower case, no spaces. The first rule that matches decides, so
the order carries meaning: `거래불가카드(일최대승인한도초과)` is a limit although the card is called unusable, and
`비밀번호 오류횟수초과` is wrong card data although a number of times is exceeded. In doubt a rule blames the merchant's
side rather than the card: an alert is closed again, a dead key costs a customer.
"""

import re
from dataclasses import dataclass

from billing_worker.domain.declines.reasons import ADVICE, Advice, Category


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the words, and what they mean."""

    name: str
    pattern: re.Pattern[str]
    category: Category
    advice: Advice
    source: str


def _rule(name: str, category: Category, *words: str, advice: Advice | None = None) -> Rule:
    """A rule of these words. Each begins with its own letters, and only then looks back: that halves a look-up."""
    return Rule(name, re.compile("|".join(words)), category, advice or ADVICE[category], f"wording: {name}")


def _each(firsts: str, rest: str) -> str:
    """One pattern for each first word, so that each pattern begins with letters."""
    return "|".join(first + rest for first in firsts.split())


_SHOPS = "가맹점 상점 쇼핑몰 하위몰 서브몰 업체 업종 사이트 매장"
_SHOP = f"(?:{_SHOPS.replace(' ', '|')})"

_KEYS = r"빌키 빌링키 빌링key billkey billingkey 빌링id 빌링인증 결제키 b(?<![a-z]b)id(?![a-z]) s(?<![a-z]s)id(?![a-z])"
_IDS = "mid cpid cid gid catid cat-id tid oid moid url ip api app"

RULES: tuple[Rule, ...] = (
    _rule(
        "reported lost or stolen",
        Category.LOST_OR_STOLEN,
        _each("분실 도난", "(?!/변경|신고된현금쿠폰)"),
        r"stolen|^lost$|lostcard|lostor|reportedlost|cardislost|pick-?up(?:card|$|,)|capturecard|holdcard|retaincard",
        r"카드회수|사고(?:신고)?(?:카드|등록|계좌)",
    ),
    _rule(
        "a line or a system that fails",
        Category.COMMUNICATION,
        r"통신(?:장애|오류|에러|실패|문제|중오류|과정에서)|장애중",
        _each("시스템 내부 은행 카드사 기관 전산 서버 회선 발급사", "장애"),
        r"타임아[웃욱]|time-?out|시스템(?:내부)?(?:오류|에러)|전문(?:을)?(?:수신|전송|송신)(?:중|에)?(?:실패|오류)|nullpoint",
        r"진행중인(?:거래|결제).{0,16}잠시|밴사내부|망취소|issuer(?:or.{0,8})?(?:system)?(?:is)?(?:unavailable|inoperative|down)",
        r"데이터?처리오류|서버응답data",
    ),
    _rule(
        "a cancellation of an earlier payment",
        Category.MERCHANT_CONFIGURATION,
        r"원거래|부분취소|기취소|매입취소|취소승인|originaltransaction",
        advice=Advice.ASK_GATEWAY,
    ),
    _rule(
        "a message of the wrong form",
        Category.MERCHANT_CONFIGURATION,
        r"포[맷멧]|f(?<!inf)ormat(?!ion)|전문(?!가)|파라[미메]터|parameter|누락|미설정|설정(?!하신)|unpack|bitmap|파싱|필수",
        r"자릿?수|형식|null|xml|charset|인코딩|디코딩|md5|hash|해[쉬시]값|개인정보보호법|mustbenumeric|non-numeric",
        r"알수없는type|허용하지않는값|data(?:type|타입)|길이(?:는|가|를|초과|오류|잘못|이상)|상점(?:으로|에문의|에서|제공|입력)",
        r"fillinall|argument|초기접속",
    ),
    _rule(
        "online authentication, which a stored key does not use",
        Category.MERCHANT_CONFIGURATION,
        r"i(?<![a-z]i)sp(?![a-z])|misp|안심클릭|안심결제|안전결제|cavv|xid오류|eci오류|전자서명|서명|인증서|공인인증|2factor",
        r"safe-?keyin|복호화|암호화|암복호|signature|signdata|decrypt|encrypt|키값|license|세션|인증값",
    ),
    _rule(
        "a voucher, a coupon or points, which a key does not use",
        Category.MERCHANT_CONFIGURATION,
        r"쿠폰|상품권|면세유|현금영수증|수표|포인트(?:파크|사용불가|결제)|할인(?:서비스)?대상",
    ),
    _rule(
        "a key that is not there",
        Category.KEY_GONE,
        r"등록되지않은(?:구매자|빌|결제키)|customeruid.{0,20}(?:없|찾을수|존재|notfound|notexist)",
        _each(
            _KEYS, r"(?!발급불가).{0,12}(?:없|존재하지|유효하지|올바르지|요청정보오류|찾을수|만료|미등록|삭제되|해지)"
        ),
        _each(
            "발급되지않은 삭제된 삭제처리된 비활성화된 유효하지않은 존재하지않는 만료된 해지된 조회되는 미등록",
            f"(?:{_KEYS.replace(' ', '|')})",
        ),
        r"token(?:was)?(?:notfound|deleted)|one-?timetokenisinvalid",
        r"billing-?key.{0,20}(?:notfound|notexist|invalid|deleted|expired|unregistered)",
        _each("invalid unregistered notregistered unknown expired deleted", "bill(?:ing-?)?key"),
    ),
    _rule(
        "the merchant's own limit",
        Category.MERCHANT_CONTRACT,
        _each(_SHOPS, "(?<!업업체)(?:.{0,10}한도초과|당?일(?:승인)?(?:누적)?(?:횟수|금액|최대사용액))"),
        r"상점한도|해당사이트의.{0,12}한도",
    ),
    _rule(
        "data that proves the holder",
        Category.WRONG_CARD_DATA,
        r"비밀번호|비밀버호|비번|패스워드|암호입력|주민(?:등록)?번호|주민\(사업자\)|주민or|주민/사업자|생년월일",
        r"사(?<!몰사)(?<!가맹점사)업자(?:등록)?(?:번호|틀림)|해당사업자틀림|카드검증값|본인(?:확인|인증)(?!계좌|서비스)|본인의신용카드확인",
        r"password|c(?<![a-z]c)[vs][vc]2?(?![a-z])|p(?<![a-z]p)in(?![a-z])|pintries|pinblock|pinnot|invalidpin|wrongcvv",
        r"incorrect(?:cv|pin|zip)|cvvis|invalidcv|securitycode|birth|bithdate|인증(?:오류|실패)?.{0,4}횟수|인증오류\d회|billingaddress|checkaddress",
        r"cityisinvalid|stateisinvalid|zip/postal|firstname|lastname|추가인증",
    ),
    _rule(
        "a limit of the card",
        Category.LIMIT,
        r"한도(?!조회|오류|기준정보|약정|문의)|횟수(?:가|를)?초과|회수초과|홧수가초과|건수(?:를|가)?초과|매수초과|sid가월.{0,12}초과",
        _each(
            "사용 거래 결제 승인 이용 허용 적립 누적 충전 상한 지급 이체 할인",
            "(?:가능)?(?:금액|액)(?:을|이)?초과(?!할수없)",
        ),
        r"이용횟수|요청금액이.{0,8}초과|가능금액(?:을)?초과|누적금액초과|증액가능|실적(?:미달|부족)",
        r"exceed|over(?<!discover)credit|overlimit|creditlimit|dailylimit|monthlylimit|amountlimit|spendinglimit|cardlimit|lesseramt",
    ),
    _rule(
        "no money on the account",
        Category.BALANCE,
        r"부족|잔액없음|잔고|잔액(?!값|및|증명|조회|차감)|insufficient|notsufficient|notenough|nofunds|lowfunds|balance",
    ),
    _rule(
        "the order or payment is there already",
        Category.DUPLICATE,
        r"중복|이중(?:거래|매출|결제)|이미.{0,6}(?:결제|주문|승인|처리|존재|사용된(?:주문|order|tid))|기처리|기승인|기완료",
        r"동일한?주문번호|기등록건|기성공건|일일재승인|duplicate|already(?:processed|paid|exist|approved|reserved)",
        r"requestinprogress|진행중인(?:거래|결제)|이미.{0,4}(?:진행|등록된카드)|재승인된거래",
    ),
    _rule(
        "the merchant's contract",
        Category.MERCHANT_CONTRACT,
        _each(
            "정지 해지 미등록 미약정 불량 제한 불가 보류 요주의 미사용 폐업 말소 만료된 차단 없는 않은 오픈전 만기 "
            "예상",
            rf"\)?(?:된|한)?(?:서브|제휴)?{_SHOP}",
        ),
        _each(
            _SHOPS,
            ".{0,12}(?:정지|해지|만료|폐업|미등록|불가|아님|등록되지|계약|아닙니다|개시|보류|미지원|지원하지|제한)",
        ),
        r"쇼핑몰계약|하위몰|서브몰|업종|계약된결제수단|자기매출|빌링미사용|비인증결제모듈|카드깡|깡우려|미등록pg|업체사정",
        r"invalidmerchant|merchant.{0,20}(?:notactive|disabled|suspended|notregistered|notallowed|notcontracted)",
        r"methodisnotactive|notpermittedto(?:acquirer|terminal)|shopno|projectisn'?tloaded|permissiondenied",
    ),
    _rule(
        "suspected fraud",
        Category.FRAUD,
        r"부(?<!내부)정(?:사용|거래|카드|추정|의심|결제)|위[,·/]*변조(?:카드|등재)|허위카드|블랙|black|도용|조기경보|fraud",
        r"b(?<![a-z]b)l(?:관리|등록|\))|이상금융거래|위험거래|3자(?:부정)?사용|해외위규|rcl/crb|securityviolation|suspicious",
        r"customerisnotallowedtopay|fds",
    ),
    _rule("a holder in arrears", Category.ISSUER_REFUSED, "연체"),
    _rule(
        "past the date of the card",
        Category.EXPIRED,
        r"유효기[간한](?!경과또는|만료쿠폰|이30일|\(30일)|만료(?:된)?카드|카드.{0,6}만료|전카드사용기간|유효시간경과앱카드",
        r"expired(?:credit)?card|card.{0,12}expired|expiration(?:month|year|date)|authorization.{0,16}expired|expirydate|expdate",
    ),
    _rule(
        "stopped, closed, replaced or not yet taken into use",
        Category.STOPPED_BY_HOLDER,
        _each(
            "정지 중지 해지 해약 탈퇴 탈회 반송 회수 만기 파손 휴면 폐기 차단",
            r"(?:된)?\)?(?:상태(?:의|인)?)?(?:카드|회원|계좌|휴대폰|거래매체|고객)",
        ),
        _each(
            "카드 회원 계좌",
            "(?:가|는|이)?(?:상태)?(?:사용|이용|거래)?(?:이|가)?(?:정지|중지|해지|탈퇴|휴면|교체|만기)",
        ),
        r"거래정지(?!\(?해지\)?가맹|종목|및)|사용정지|이용정지|회원정지|퇴직|보증취하|탈회|고객탈퇴|회원요청등재|재발급|신규발급",
        r"미수령|수령(?:등록)?후|미교부|미발급카드|카드미발급|발급중인카드|교체된카드|이전카드|최종카드아님|사용등록|사용이?정지",
        r"고객\(?명의자\)?요청|고객요청(?:으로|에의한)|사용을?중지|중지한카드|휴면(?!된거래)|해지된휴대폰|우송중|연결된은행정보|stoppedcard|restrictedcard",
        r"suspendedcard|blockedcard|card.{0,8}(?:closed|cancell?ed|suspended|blocked|inactive|deactivated|frozen|restricted)",
        r"closedaccount|accountclosed|customercancell?ation|재등록필요|카카오머니가입|계정정보없음|거래제한된계좌|법적등록|d/m금지",
        r"별도관리등재|자동결제를?해지|정기결제를?해지",
    ),
    _rule(
        "no card of this number, or not of a kind that is taken",
        Category.WRONG_CARD_DATA,
        r"카(?<!승인카)(?<!적립카)드번호(?!끝자리|필요|암호화)|미등록카드(?!사)|없는카드|카드정보(?:가)?(?:잘못|오류|없음)|잘못된카드",
        _each("등록 지원 존재", "(?:되|하)지않[은는]카드(?!발급국가)"),
        r"미(?<!할부미)지원카드|지원카드가|제휴서비스지원불가카드|이관카드|선불카드아님",
        r"대(?<!할인대)(?<!쿠폰대)(?<!할인서비스대)상(?:제휴)?카드(?:가)?아|해외카드(?!최소|미사용|미등록)|해외사용불가|미등록카드사|신용카드아님",
        r"카드사회원이아님|유효한회원이|지원되지않는카드사|유효하지않은카드|카드(?:사)?이외|알수없는해외|없는카드번호",
        r"card(?:number|num)?.{0,16}(?:invalid|notsupported|missing|notallowed|wrong|incorrect)|invalid(?:card|account|pan|issuer)",
        r"verifythecredit|nocardrecord|no(?:such)?issuers?|no(?:credit|checking|chequing|saving|investment|universal)account",
        r"countryofthecard|issueswiththecard|banknotsupported|incorrect(?:card|number)|유효하지않은계좌|연결된계좌|계좌관련정보없음",
        r"정상적인카드|수취계좌없음|무계좌|인증불가카드(?!사)|이용할수없는카드|cardwhichisnotsupported",
    ),
    _rule(
        "a planned break",
        Category.MAINTENANCE,
        r"점검|시스템작업|작업중|업무(?:개시|종료|마감)|개시이?전|마감|서비스(?:제공)?시간(?:이)?아|시간(?:이|은)?아(?:님|닙)|공휴일",
        r"서비스중(?:단|지)|일시(?:유보|중[지단])|카드사사정|maintenance|시간대|cut-?off|시스템중지|underconstruction",
    ),
    _rule(
        "a card or holder that the card company bars",
        Category.ISSUER_REFUSED,
        _each(
            "거래 사용 이용 결제 서비스",
            r"(?<!계좌이체거래)(?:이|가|은|는)?불가능?(?:한|합니다|함)?\)?(?:카드(?!사)|계좌|타사)",
        ),
        r"거래제한(?:\(정지\))?카드|카(?<!교통카)(?<!내고장카)드(?:는|가|의)?(?:사용|이용)(?:이)?불가|신용불량|불량회원|불량정보|법적조치|대손|거래불량|신용상태불량",
        r"거절카드(?!사|를)|타사카드|다른카드|타카드|another(?:credit)?card|othercard|differentcard|연락불가|특수거래정지",
        r"cardnotallowed|법인카드사용불가|기업대표카드|결제할수없는카드|카드[는로가](?:사용|이용|결제)(?:하실|할)수없|체크사용불가|기타거래불가카드",
        advice=Advice.ANOTHER_CARD,
    ),
    _rule(
        "a failure between the merchant and the card company",
        Category.COMMUNICATION,
        r"통신(?!사|판매|요금)|장애(?!인)|시스템(?:문제|실패|내부|예외)|잠시후|내부(?:오류|시스템|처리|에러|의에러)|internal",
        r"connect|socket|연결(?:이되지|중오류|실패|할수없)|접속오류|과다접속|서버(?:에러|오류|에)|unavailable|systemerror",
        r"응답(?:대기|지연|을받을|오류|없음|실패)|무응답|미응답|지연|db|데이[타터]베이스|insert|update|recordlock|재시도|다시",
        r"회선|일시적|네트[웍워]|network|try-?again|retry|malfunction|inoperative|temporar|tempaorary|exception|예외|자동취소",
        _each(
            "전송 송신 수신 통보 발송 연동 요청 처리 조회 생성 갱신 저장 변경 추가 발급",
            "(?:을|이|에|중)?(?:실패|오류|에러|지연)",
        ),
        _each("실패 오류 에러", "(?:가|이|를)?(?:하였습니다|했습니다|발생)"),
        r"알수없는(?:오류|에러)|unknownerror|unexpected|re-?enter",
        r"거래시간(?:이|초과)|시간(?:이|을)?(?:초과|만료|경과)|toomany|ratelimit|요청과다|미지정|원인불명|bankisdown|lineerror",
        r"모듈|송신하지못|결제가완료되지|카드사에서오류|금융망|처리중|진행중",
    ),
    _rule(
        "a cancellation, not a charge",
        Category.MERCHANT_CONFIGURATION,
        r"취소|환불|반품|매입|refund|cancel|captured|롤백",
        advice=Advice.ASK_GATEWAY,
    ),
    _rule(
        "success, in the text of a failure",
        Category.DUPLICATE,
        r"정상(?:처리|승인|거래|취소|적으로(?:생성|삭제|이루어))|성공|app(?<!notapp)roved|입금완료|거래승인완료|완료\(?종결",
    ),
    _rule(
        "the amount, the months or the currency do not fit",
        Category.MERCHANT_CONFIGURATION,
        r"할부|무이자|금액|통화|환[률율]|달러|외화|원화|미만|최소|최저|currency|amount|install|부가세|부가가치세|봉사료",
        r"공급가액|면세|usd|화폐|소수점|원이상|원이하|가격정보",
    ),
    _rule(
        "the terminal, the shop or a setting at the PG",
        Category.MERCHANT_CONFIGURATION,
        r"단말|터미널|terminal|key-?in",
        _SHOPS.replace(" ", "|"),
        "|".join(rf"{word[0]}(?<![a-z]{word[0]}){word[1:]}(?![a-z])" for word in _IDS.split()),
        r"앱키|상품|kcp로문의|lgu\+|lg유플러스|관리자에게|영업담당|merchant|credential|apikey|publickey|시크릿|secret",
        r"unauthorized|forbidden|권한|허용되지|허가|비정상|정의되지않|지원하지않|지원되지않|미지원|미정의|고객사요청|인증되지않은(?:키|cp)",
        r"잘못된(?:요청|결제|서비스|거래|값|접근|코드|데이터|url)|method|invalid(?:transaction|request)|v(?<![a-z]v)an|authentication실패",
        r"notsupp[oe]rted|protocol|기준정보|도메인|domain",
    ),
    _rule(
        "a refusal without a reason",
        Category.ISSUER_REFUSED,
        r"전화요|문의|연락요망|거절|불가|donothono|declin|refer|callissuer|pleasecall|callfor|callref|contactyour|reject|denied",
        r"연체|카드사확인|확인후|은행확인|기타|제한|상담원|심사중|notpermitted|cannotbecompleted|고객센터|고객보호센터|미납|미성년",
        r"unacceptable|noaction|honorwith|차단|승인실패|거래실패|결제에?실패|카드사실패|카드(?:발급)?상태이?상|acceptorc|refused|callcenter",
    ),
    _rule(
        "a service beside the charge",
        Category.MERCHANT_CONFIGURATION,
        r"쿠번|포인트|point|바코드|에스크로|세이브|save|할인|적립|멤버[쉽십]|프로모션|캠페인|가상계좌|입금|보증서|충전|스크랩",
        r"이미지|카카오스토리|카카오톡|계좌|예금|이체|출금|휴대폰|전화번호|sms|ars|기프트|티켓|매출|영수증|배송|사은품|대출",
        r"예약|회원|고객|사용자|통장|ic칩|ic카드|마그네틱|swipe|혜택|서비스|제휴|등급|버[전젼]|정산|푸시|freenoti",
    ),
    _rule(
        "a field of the request",
        Category.MERCHANT_CONFIGURATION,
        r"오류|틀[림립렸]|불일치|일치하지|상이|미입력|미존|미등록|존재하지|존재안|없음|없습니다|없슴|아님|아닙니다|부적당|에러|error",
        r"중단|초과|일자|날짜|코드|번호|구분|유효하지|다릅니다|invalid|empty|wrong|notfound|undefined|요망|미확인|찾을수",
        r"commbuffer|다운로드|잘못|바르지|넘어오지|이상합니다|byte",
    ),
)
"""The rules, in the order in which they are asked."""


_SEARCHES = tuple((rule.pattern.search, rule) for rule in RULES)


def rule_of(plain: str) -> Rule | None:
    """The first rule whose words a plain text has."""
    for search, rule in _SEARCHES:
        if search(plain):
            return rule
    return None
